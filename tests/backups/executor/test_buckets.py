"""Do jobs and ticks treat a bucket like a folder, and what is only unknown there as unknown?"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.access import store_of
from backups.catalog.condition import check_copies, check_repositories
from backups.executor.leftovers import remove_leftovers
from backups.health.space import measure_repositories
from backups.jobs.request import create_backup_job, create_copy_job
from backups.models import Backup, BackupCopy, Instance, Job, Repository, RepositorySpace
from backups.repositories.objects import clients
from backups.repositories.wrappers import retry
from backups.states import CopyFault, JobStatus, Operation
from backups.transitions.jobs import claim
from monitor.selectors.repositories import list_repositories
from monitor.wording.restore_by_hand import steps_by_hand
from tests.backups.fake_engine import FILES, FakeEngine
from tests.backups.repositories.bad_proxy import (
    Action,
    BadProxy,
    bad_proxy,
    change_bytes,
    cut_off,
    refuse,
)
from tests.backups.repositories.bucket_rows import make_bucket
from tests.backups.repositories.object_server import calls, moto_address
from tests.backups.taking import purge, restore, run_here, take_backup

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def proxy() -> Iterator[BadProxy]:
    with bad_proxy(moto_address()) as proxy:
        yield proxy


@pytest.fixture
def bucket(proxy: BadProxy, key_file: Path, settings: Settings) -> Repository:
    return make_bucket(proxy.url, settings)


@pytest.fixture
def copy(orders: Instance, engine: FakeEngine, bucket: Repository) -> BackupCopy:
    return take_backup(orders, bucket).copies.get()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nothing tried again."""
    monkeypatch.setattr(clients, "TRIES", 0)
    monkeypatch.setattr(retry, "DELAYS", ())


def bucket_of(repository: Repository) -> str:
    return repository.path.removeprefix("s3://").partition("/")[0]


def keys_in(repository: Repository) -> list[str]:
    found = calls().list_objects_v2(Bucket=bucket_of(repository))
    return [item["Key"].removeprefix("backups/db/") for item in found.get("Contents", ())]


def uploads_in(repository: Repository) -> list[str]:
    found = calls().list_multipart_uploads(Bucket=bucket_of(repository))
    return [item["Key"] for item in found.get("Uploads", ())]


def test_a_backup_is_taken_restored_and_purged(
    copy: BackupCopy, bucket: Repository, tmp_path: Path
) -> None:
    assert keys_in(bucket) == [
        f"{copy.path}/manifest.json.zst",
        f"{copy.path}/packs/000001.pack",
        "mooring.json",
    ]
    verified = run_here(create_copy_job(Operation.VERIFY, copy, wake=False))
    assert verified.status == JobStatus.SUCCEEDED
    assert restore(copy, tmp_path / "restored").status == JobStatus.SUCCEEDED
    for name, content in FILES.items():
        assert (tmp_path / "restored" / name).read_bytes() == content
    assert purge(copy, force=True).status == JobStatus.SUCCEEDED
    assert keys_in(bucket) == ["mooring.json"]


def test_bytes_that_changed_on_the_way_are_found(copy: BackupCopy, proxy: BadProxy) -> None:
    proxy.fail("GET", change_bytes, times=9, part=".pack")
    job = run_here(create_copy_job(Operation.VERIFY, copy, wake=False))
    assert job.status == JobStatus.FAILED
    assert "packs/000001.pack" in job.error


def test_ticks_see_what_is_there(copy: BackupCopy, bucket: Repository, proxy: BadProxy) -> None:
    assert (check_repositories(now()), check_copies(now())) == (0, 0)
    calls().delete_object(Bucket=bucket_of(bucket), Key=f"backups/db/{copy.path}/packs/000001.pack")
    assert check_repositories(now()) == 0
    copy.refresh_from_db()
    assert copy.fault == CopyFault.MISSING

    proxy.fail("GET", refuse(403, "InvalidAccessKeyId"), times=9)
    assert check_repositories(now()) == 1
    bucket.refresh_from_db()
    assert "the store does not know the access key id" in bucket.fault


def test_a_pack_costs_one_request(copy: BackupCopy, proxy: BadProxy) -> None:
    proxy.requests.clear()
    assert check_copies(now()) == 0
    assert sum(".pack" in path for _, path in proxy.requests) == copy.pack_count == 1


@pytest.mark.parametrize(
    ("method", "part", "action"),
    [
        ("HEAD", "manifest", refuse(503, "SlowDown")),
        ("HEAD", ".pack", cut_off),
        ("GET", "", refuse(403, "ExpiredToken")),
    ],
)
def test_a_fault_of_the_store_is_none_of_its_copies(
    copy: BackupCopy, proxy: BadProxy, quick: None, method: str, part: str, action: Action
) -> None:
    proxy.fail(method, action, times=999, part=part)
    at = now()
    assert check_copies(at) == 0
    copy.refresh_from_db()
    assert (copy.fault, copy.key_fault, copy.checked_at) == ("", "", at)


def test_an_object_that_alone_is_refused_is_a_fault_of_its_copy(
    copy: BackupCopy, proxy: BadProxy
) -> None:
    proxy.fail("GET", refuse(403, "AccessDenied"), times=9, part="manifest")
    assert check_copies(now()) == 1
    copy.refresh_from_db()
    assert copy.fault == CopyFault.MISSING


def test_one_repository_that_fails_midway_hides_no_other(
    copy: BackupCopy, bucket: Repository, proxy: BadProxy, main: Repository, quick: None
) -> None:
    calls().delete_object(Bucket=bucket_of(bucket), Key=f"backups/db/{copy.path}/packs/000001.pack")
    Path(main.path).rename(Path(main.path).with_name("aside"))
    proxy.fail("HEAD", refuse(503, "SlowDown"), times=999)
    assert check_repositories(now()) == 2
    copy.refresh_from_db()
    bucket.refresh_from_db()
    assert (copy.fault, "slow down" in bucket.fault) == ("", True)


def test_what_a_bucket_does_not_say_is_unknown(copy: BackupCopy, bucket: Repository) -> None:
    assert measure_repositories(now()) == 1
    space = RepositorySpace.objects.get()
    assert (space.free_bytes, space.total_bytes, space.error) == (None, None, "")
    check_repositories(now())
    bucket.refresh_from_db()
    assert bucket.device is None
    assert not list_repositories()[0].shares_disk


def test_by_hand_the_objects_are_fetched_first(copy: BackupCopy) -> None:
    fetch, extract, *_ = steps_by_hand(copy, ["the-full-one"])
    assert fetch.command.startswith(f"aws s3 sync {copy.repository.path} /path/to/fetched")
    assert f"{copy.path}/*" in fetch.command
    assert "the-full-one/*" in fetch.command
    assert copy.repository.endpoint in fetch.command
    assert " /path/to/fetched/repository " in extract.command


def test_parts_of_a_dead_worker_go_and_no_others(orders: Instance, bucket: Repository) -> None:
    job = Job.objects.create(operation="backup", instance=orders, kind="full", engine="fake")
    job.repositories.set([bucket])
    worker = f"{socket.gethostname()}:1"
    assert claim(job, worker=worker, exclusive_key=f"i:{job.pk}", now=now())
    label = "orders-1@20260302T010001Z-F"
    Job.objects.filter(pk=job.pk).update(label=label, leftovers=True, status=JobStatus.FAILED)
    ours = f"backups/db/instances/{orders.uuid}/backups/{label}/packs/000001.pack"
    others = f"backups/db/instances/{orders.uuid}/backups/{label}2/packs/000001.pack"
    for key in (ours, others):
        calls().create_multipart_upload(Bucket=bucket_of(bucket), Key=key)
    assert remove_leftovers() == 1
    assert uploads_in(bucket) == [others]


def test_a_store_that_fails_midway_leaves_nothing(
    orders: Instance, engine: FakeEngine, bucket: Repository, proxy: BadProxy
) -> None:
    proxy.fail("PUT", refuse(403, "AccessDenied"), times=9, part="manifest")
    job = run_here(create_backup_job(orders, repositories=[bucket], wake=False))
    assert job.status == JobStatus.FAILED
    assert "could not be committed: access is denied" in job.error
    assert (keys_in(bucket), Backup.objects.count()) == (["mooring.json"], 0)
    assert store_of(bucket).holds("instances") is False
    proxy.faults.clear()
    take_backup(orders, bucket)
