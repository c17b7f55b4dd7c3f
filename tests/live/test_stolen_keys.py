"""Does a stolen key destroy a backup in a real object store only where the documents say so?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.catalog.condition import check_repositories
from backups.catalog.new_repository import settle
from backups.jobs.request import create_copy_job
from backups.models import BackupCopy, Instance, Repository
from backups.repositories.objects.place import BucketPlace
from backups.retention.renewal import renew_locks
from backups.states import CopyFault, JobStatus, Operation
from scripts.private_ceph import PrivateCeph
from tests.backups.conftest import engine, fake_engine_known, key_file, orders
from tests.backups.fake_engine import FILES, FakeEngine
from tests.backups.repositories import object_server
from tests.backups.taking import restore, run_here, take_backup
from tests.commands import run_command
from tests.live.ceph import KEY_ID, SECRET, add_user, private_ceph
from tests.live.thief import allow, attack

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]
__all__ = ["engine", "fake_engine_known", "key_file", "orders"]

WORKER, WORKER_KEY = "worker", "AKIAWORKER"


@pytest.fixture(scope="module")
def ceph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateCeph]:
    with private_ceph(tmp_path_factory.mktemp("ceph")) as ceph:
        add_user(ceph, WORKER, WORKER_KEY, SECRET)
        yield ceph


@pytest.fixture
def owner(ceph: PrivateCeph) -> Any:
    """The key that the bucket belongs to. Any: botocore has no types."""
    return object_server.calls(ceph.url)


@pytest.fixture
def worker(ceph: PrivateCeph) -> Any:
    """A key that may what the policy of the bucket says."""
    return object_server.calls(ceph.url, WORKER_KEY)


class Bucket:
    """A repository in a bucket, as its owner and its worker see it."""

    def __init__(self, ceph: PrivateCeph, owner: Any, settings: Settings) -> None:
        settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
        self._owner = owner
        self.name = f"mooring-{uuid4().hex[:12]}"
        self.place = BucketPlace(self.name, "db", ceph.url)

    def make(self, key_id: str, lock_mode: str = "", *more: str) -> Repository:
        """Create the bucket, and register it with a key; ``more`` the worker's key may."""
        locked = {"ObjectLockEnabledForBucket": True} if lock_mode else {}
        self._owner.create_bucket(Bucket=self.name, **locked)
        if key_id == WORKER_KEY:
            allow(self._owner, self.name, WORKER, *more)
        row = Repository(name="offsite", kind="s3", path=self.place.address)
        row.endpoint, row.access_key_id = self.place.endpoint, key_id
        row.lock_mode, row.lock_days = lock_mode, 20 if lock_mode else None
        row.write_only = key_id == WORKER_KEY
        row.set_secret_key(SECRET)
        settle(row)
        row.save()
        return row


@pytest.fixture
def bucket(ceph: PrivateCeph, owner: Any, settings: Settings) -> Bucket:
    return Bucket(ceph, owner, settings)


def is_recovered(copy: BackupCopy, folder: Path) -> bool:
    """Whether one command makes the backup verify and restore again."""
    check_repositories(now())
    ended = run_command("recoverversions", "offsite", "--json")
    assert ended.exit_code == 0, ended
    assert copy.backup.label in ended.json()["recovered"]
    copy.refresh_from_db()
    assert copy.fault == ""
    verified = run_here(create_copy_job(Operation.VERIFY, copy, wake=False))
    assert (verified.status, verified.error) == (JobStatus.SUCCEEDED, "")
    assert restore(copy, folder).status == JobStatus.SUCCEEDED
    return all((folder / name).read_bytes() == content for name, content in FILES.items())


def is_lost(copy: BackupCopy) -> bool:
    check_repositories(now())
    verified = run_here(create_copy_job(Operation.VERIFY, copy, wake=False))
    return verified.status != JobStatus.SUCCEEDED


def test_a_plain_key_destroys_everything(
    bucket: Bucket, owner: Any, orders: Instance, engine: FakeEngine, key_file: Path
) -> None:
    copy = take_backup(orders, bucket.make(KEY_ID)).copies.get()
    outcome = attack(owner, bucket.name)
    assert (outcome["overwrite"], outcome["delete"]) == ("done", "done")
    assert is_lost(copy)
    assert Repository.objects.get().fault


def test_a_key_that_may_not_delete_still_overwrites(
    bucket: Bucket, worker: Any, orders: Instance, engine: FakeEngine, key_file: Path
) -> None:
    copy = take_backup(orders, bucket.make(WORKER_KEY)).copies.get()
    outcome = attack(worker, bucket.name)
    assert outcome["overwrite"] == "done"
    for name in ("delete", "delete versions", "suspend versions", "lifecycle"):
        assert outcome[name] == "AccessDenied", name
    assert is_lost(copy)


@pytest.mark.parametrize("mode", ["governance", "compliance"])
def test_a_locked_backup_survives_the_key_of_a_worker(
    bucket: Bucket,
    worker: Any,
    orders: Instance,
    engine: FakeEngine,
    key_file: Path,
    tmp_path: Path,
    mode: str,
) -> None:
    copy = take_backup(orders, bucket.make(WORKER_KEY, mode)).copies.get()
    assert copy.locked_until is not None
    outcome = attack(worker, bucket.name)
    # It is not destroyed by that: another version is added.
    assert outcome.pop("overwrite") == "done"
    assert outcome == dict.fromkeys(outcome, "AccessDenied")
    assert is_recovered(copy, tmp_path / "restored")
    assert renew_locks(now()) == 0


def test_a_worker_that_may_delete_only_puts_markers(
    bucket: Bucket,
    worker: Any,
    orders: Instance,
    engine: FakeEngine,
    key_file: Path,
    tmp_path: Path,
) -> None:
    repository = bucket.make(WORKER_KEY, "governance", "s3:DeleteObject")
    copy = take_backup(orders, repository).copies.get()
    outcome = attack(worker, bucket.name)
    assert (outcome["delete"], outcome["delete versions"]) == ("done", "AccessDenied")
    check_repositories(now())
    assert Repository.objects.get().fault
    assert is_recovered(copy, tmp_path / "restored")


def test_governance_does_not_withstand_the_owner(
    bucket: Bucket, owner: Any, orders: Instance, engine: FakeEngine, key_file: Path
) -> None:
    copy = take_backup(orders, bucket.make(KEY_ID, "governance")).copies.get()
    outcome = attack(owner, bucket.name)
    assert outcome["delete versions"] == "AccessDenied"
    assert (outcome["shorten"], outcome["bypass"]) == ("AccessDenied", "done")
    ended = run_command("recoverversions", "offsite")
    assert ended.exit_code != 0
    assert is_lost(copy)


def test_compliance_withstands_the_owner(
    bucket: Bucket,
    owner: Any,
    orders: Instance,
    engine: FakeEngine,
    key_file: Path,
    tmp_path: Path,
) -> None:
    copy = take_backup(orders, bucket.make(KEY_ID, "compliance")).copies.get()
    outcome = attack(owner, bucket.name)
    for name in ("delete versions", "shorten", "shorten by bypass", "bypass"):
        assert outcome[name] == "AccessDenied", name
    check_repositories(now())
    copy.refresh_from_db()
    assert Repository.objects.get().fault or copy.fault == CopyFault.MISSING
    assert is_recovered(copy, tmp_path / "restored")
