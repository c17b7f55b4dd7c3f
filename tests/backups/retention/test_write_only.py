"""Is nothing ever deleted in a write-only repository, and is a loss there seen as one?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.access import store_of
from backups.catalog.condition import check_repositories
from backups.executor.leftovers import remove_leftovers
from backups.jobs.request import create_backup_job
from backups.models import (
    BackupCopy,
    Instance,
    Job,
    Repository,
)
from backups.repositories.wrappers import WriteOnlyStore
from backups.retention.expiry import expire_backups
from backups.states import CopyFault, CopyStatus, JobStatus
from tests.backups.fake_engine import FakeEngine
from tests.backups.repositories.bad_proxy import BadProxy, bad_proxy
from tests.backups.repositories.bucket_rows import make_bucket
from tests.backups.repositories.object_server import KEY_ID, SECRET, calls, moto_address
from tests.backups.taking import purge, run_here, take_backup
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)


@pytest.fixture
def proxy() -> Iterator[BadProxy]:
    """At its end: no request was to delete anything."""
    with bad_proxy(moto_address()) as proxy:
        yield proxy
        assert [path for method, path in proxy.requests if deletes(method, path)] == []


def deletes(method: str, path: str) -> bool:
    return (method == "DELETE" and "uploadId" not in path) or "?delete" in path


@pytest.fixture
def bucket(proxy: BadProxy, key_file: Path, settings: Settings) -> Repository:
    row = make_bucket(proxy.url, settings)
    row.write_only = True
    row.save()
    return row


@pytest.fixture
def copies(orders: Instance, engine: FakeEngine, bucket: Repository) -> list[BackupCopy]:
    return [take_backup(orders, bucket).copies.get() for _ in range(2)]


def where(repository: Repository) -> tuple[str, str]:
    bucket, _, prefix = repository.path.removeprefix("s3://").partition("/")
    return bucket, prefix


def keys_in(repository: Repository) -> set[str]:
    bucket, prefix = where(repository)
    found = calls().list_objects_v2(Bucket=bucket).get("Contents", ())
    return {item["Key"].removeprefix(f"{prefix}/") for item in found}


def lifecycle(repository: Repository, path: str) -> None:
    """Delete what a rule of the bucket would."""
    bucket, prefix = where(repository)
    for name in keys_in(repository):
        if name.startswith(path):
            calls().delete_object(Bucket=bucket, Key=f"{prefix}/{name}")


def test_a_purge_expires_the_copy_and_leaves_its_bytes(
    copies: list[BackupCopy], bucket: Repository
) -> None:
    before = keys_in(bucket)
    job = purge(copies[0], force=True)
    assert job.status == JobStatus.SUCCEEDED
    assert "left to the lifecycle of offsite" in job.stages.get(name="delete").detail
    assert keys_in(bucket) == before
    copies[0].refresh_from_db()
    assert copies[0].status == CopyStatus.EXPIRED


def test_what_expired_meanwhile_is_purged_once_it_is_not_write_only(
    orders: Instance, engine: FakeEngine, main: Repository
) -> None:
    Repository.objects.update(write_only=True)
    copy, kept = (take_backup(orders, main).copies.get() for _ in range(2))
    assert purge(copy, force=True).status == JobStatus.SUCCEEDED
    folder = Path(main.path) / copy.path
    assert expire_backups(now()) == 0
    assert folder.exists()

    Repository.objects.update(write_only=False)
    assert expire_backups(now()) == 1
    job = Job.objects.latest("id")
    assert expire_backups(now()) == 0
    assert run_here(job).status == JobStatus.SUCCEEDED
    copy.refresh_from_db()
    assert (copy.status, folder.exists()) == (CopyStatus.PURGED, False)
    kept.refresh_from_db()
    assert kept.status == CopyStatus.STORED
    assert expire_backups(now()) == 0


def test_what_had_expired_and_vanishes_is_purged(
    copies: list[BackupCopy], bucket: Repository
) -> None:
    purge(copies[0], force=True)
    check_repositories(now())
    copies[0].refresh_from_db()
    assert copies[0].status == CopyStatus.EXPIRED
    lifecycle(bucket, f"{copies[0].path}/manifest")
    check_repositories(now())
    copies[0].refresh_from_db()
    assert copies[0].status == CopyStatus.EXPIRED
    lifecycle(bucket, copies[0].path)
    check_repositories(now())
    copies[0].refresh_from_db()
    assert (copies[0].status, copies[0].fault) == (CopyStatus.PURGED, "")


def test_what_retention_keeps_and_vanishes_is_a_fault(
    copies: list[BackupCopy], bucket: Repository
) -> None:
    lifecycle(bucket, copies[1].path)
    check_repositories(now())
    copies[1].refresh_from_db()
    assert (copies[1].status, copies[1].fault) == (CopyStatus.STORED, CopyFault.MISSING)
    assert "its lifecycle ends too early or somebody deleted it" in copies[1].fault_detail


def test_an_unfinished_backup_is_left_and_says_so(
    orders: Instance, engine: FakeEngine, bucket: Repository
) -> None:
    job = create_backup_job(orders, repositories=[bucket], wake=False)
    with store_of(bucket).create(f"instances/{orders.uuid}/backups/x@1-F/packs/000001.pack") as up:
        up.write(b"half")
        up.commit()
    Job.objects.filter(pk=job.pk).update(label="x@1-F", leftovers=True, status="failed")
    remove_leftovers()
    job.refresh_from_db()
    assert not job.leftovers
    assert len(keys_in(bucket)) == 2


def test_a_failed_backup_says_that_its_bytes_are_left(
    orders: Instance, engine: FakeEngine, bucket: Repository
) -> None:
    engine.fails_after = 2
    job = run_here(create_backup_job(orders, repositories=[bucket], wake=False))
    assert job.status == JobStatus.FAILED
    said = "\n".join(job.log_lines.values_list("text", flat=True))
    assert "what offsite has of it is left to the lifecycle of the store" in said


def test_the_rest_of_a_killed_piece_is_replaced(bucket: Repository) -> None:
    store = store_of(bucket)
    assert isinstance(store, WriteOnlyStore)
    for content in (b"killed", b"whole"):
        store.remove("a/1.segment")
        with store.create("a/1.segment") as upload:
            upload.write(content)
            upload.commit()
    assert store.read("a/1.segment") == b"whole"


@pytest.fixture
def deleter(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Credentials of the environment of the host that deletes."""
    monkeypatch.setenv("PURGE_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("PURGE_SECRET_ACCESS_KEY", SECRET)
    return ["--credentials", "environment", "--credentials-name", "PURGE"]


def test_other_credentials_delete_what_has_expired(
    copies: list[BackupCopy], bucket: Repository, deleter: list[str], proxy: BadProxy
) -> None:
    purge(copies[0], force=True)
    purge_locked = BackupCopy.objects.filter(pk=copies[0].pk)
    purge_locked.update(locked_until=now() + DAY)
    kept = run_command("purgeexpired", "offsite", *deleter, "--json")
    assert (kept.exit_code, kept.json()["deleted"]) == (1, [])
    assert "locked in the store" in kept.json()["kept"][copies[0].backup.label]
    purge_locked.update(locked_until=None)
    done = run_command("purgeexpired", "offsite", *deleter, "--json").json()
    assert done["deleted"] == [copies[0].backup.label]
    assert done["freed_bytes"] > 0
    left = {name for name in keys_in(bucket) if name != "mooring.json"}
    assert {name.startswith(copies[1].path) for name in left} == {True}
    assert Repository.objects.get().write_only
    proxy.requests.clear()


def test_it_refuses_a_repository_in_which_the_workers_delete(main: Repository) -> None:
    ended = run_command("purgeexpired", "main")
    assert (ended.exit_code, "main is not write-only" in ended.stderr) == (2, True)
