"""How does a backup end whose object store fails on the way? With a reason, and no half copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.access import store_of
from backups.executor.leftovers import remove_leftovers
from backups.jobs.request import create_backup_job, create_copy_job
from backups.models import Backup, Instance, Job, Repository
from backups.repositories.objects import clients, connection, upload
from backups.repositories.wrappers import retry
from backups.states import JobStatus, Operation
from tests.backups.fake_engine import FILES, FakeEngine
from tests.backups.repositories.bad_proxy import (
    Action,
    BadProxy,
    after,
    bad_proxy,
    change_bytes,
    reset,
)
from tests.backups.repositories.clouds import CLOUDS, Cloud
from tests.backups.taking import purge, restore, run_here, take_backup

pytestmark = pytest.mark.django_db(transaction=True)

# After the first request for an object, so that the job has begun.
FAULTS: dict[str, Callable[[Cloud], Action]] = {
    "expired": lambda cloud: cloud.expired,
    "gone": lambda cloud: cloud.gone,
    "busy": lambda cloud: cloud.busy,
    "reset": lambda _: reset,
}


@pytest.fixture(params=sorted(CLOUDS))
def cloud(request: pytest.FixtureRequest) -> Cloud:
    return CLOUDS[request.param]


@pytest.fixture
def proxy(cloud: Cloud) -> Iterator[BadProxy]:
    with bad_proxy(cloud.address()) as proxy:
        yield proxy


@pytest.fixture
def repository(cloud: Cloud, proxy: BadProxy, key_file: Path, settings: Settings) -> Repository:
    return cloud.row(proxy.url, settings)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing tried again."""
    for name in ("TRIES", "PART_TRIES"):
        monkeypatch.setattr(clients, name, 0)
    monkeypatch.setattr(connection, "TRIES", 0)
    monkeypatch.setattr(upload, "PUT_WAITS", ())
    monkeypatch.setattr(retry, "DELAYS", ())


@pytest.mark.parametrize("fault", FAULTS)
def test_a_backup_whose_store_fails_midway_is_none(
    orders: Instance,
    engine: FakeEngine,
    repository: Repository,
    cloud: Cloud,
    proxy: BadProxy,
    fault: str,
    quick: None,
) -> None:
    for method in ("PUT", "POST"):
        proxy.fail(method, after(1, FAULTS[fault](cloud)), times=99, part="instances")
    proxy.fail("PUT", FAULTS[fault](cloud), times=99, part="manifest")
    job = run_here(create_backup_job(orders, repositories=[repository], wake=False))
    assert job.status == JobStatus.FAILED
    assert "could not be" in job.error
    assert job.hint
    proxy.faults.clear()
    assert Backup.objects.count() == 0
    remove_leftovers()
    assert not store_of(repository).holds("instances")
    take_backup(orders, repository)
    assert Job.objects.filter(status=JobStatus.SUCCEEDED).count() == 1


def test_bytes_that_changed_on_the_way_are_found_and_the_rest_is_usable(
    orders: Instance, engine: FakeEngine, repository: Repository, proxy: BadProxy, tmp_path: Path
) -> None:
    copy = take_backup(orders, repository).copies.get()
    proxy.fail("GET", change_bytes, times=9, part="pack")
    job = run_here(create_copy_job(Operation.VERIFY, copy, wake=False))
    assert (job.status, "packs/000001.pack" in job.error) == (JobStatus.FAILED, True)
    assert restore(copy, tmp_path / "damaged").status == JobStatus.FAILED
    proxy.faults.clear()
    assert restore(copy, tmp_path / "restored").status == JobStatus.SUCCEEDED
    for name, content in FILES.items():
        assert (tmp_path / "restored" / name).read_bytes() == content
    assert purge(copy, force=True).status == JobStatus.SUCCEEDED
    assert not store_of(repository).holds("instances")
