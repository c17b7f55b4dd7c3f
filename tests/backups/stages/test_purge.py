"""May a copy go (decide), and is it gone (delete)?"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.utils.timezone import now

from backups.exceptions import Refused, RepositoryError, StageFailed
from backups.jobs.request import create_copy_job
from backups.models import Backup, BackupCopy, Instance, Job, Repository
from backups.repositories.directory import DirectoryStore
from backups.stages.backup.choose_base import lock_copies
from backups.states import CopyStatus, JobStatus, Operation
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import prove, purge, stored_files, take_backup

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders).copies.get()


def an_older_one(copy: BackupCopy, **values: object) -> BackupCopy:
    """A row beside ``copy``: another stored backup of the same instance."""
    older = Backup.objects.create(
        **{
            "label": f"older-{Backup.objects.count()}",
            "instance": copy.backup.instance,
            "kind": "full",
            "engine": "fake",
            "raw_bytes": 1,
            "stored_bytes": 1,
            "file_count": 1,
            "started_at": copy.backup.started_at,
            "ended_at": copy.backup.ended_at,
            **values,
        }
    )
    return stored_in(copy.repository, older)


def stored_in(repository: Repository, backup: Backup) -> BackupCopy:
    """A copy that looks whole from outside: a manifest, and one pack of one byte."""
    folder = Path(repository.path) / backup.label
    (folder / "packs").mkdir(parents=True)
    (folder / "manifest.json.zst").touch()
    (folder / "packs" / "000001.pack").write_bytes(b"x")
    return BackupCopy.objects.create(
        backup=backup, repository=repository, path=backup.label, stored_bytes=1, pack_count=1
    )


def assert_refused(copy: BackupCopy, error: str) -> None:
    job = purge(copy)
    copy.refresh_from_db()
    assert (job.status, copy.status) == (JobStatus.REFUSED, CopyStatus.STORED)
    assert job.error.startswith(f"decide refused: {error}")
    assert job.hint
    assert len(stored_files(copy.repository)) > 1


def test_the_last_good_backup_stays(copy: BackupCopy) -> None:
    assert_refused(copy, f"{copy.backup.label} is the last restorable backup of orders-1")


def test_the_last_good_backup_goes_with_force(copy: BackupCopy) -> None:
    job = purge(copy, force=True)
    copy.refresh_from_db()
    assert (job.status, copy.status) == (JobStatus.SUCCEEDED, CopyStatus.PURGED)
    assert copy.expire_reason == "a test"
    assert stored_files(copy.repository) == ["mooring.json"]
    assert "freed" in job.stages.get(name="delete").detail


@pytest.mark.parametrize("operation", ["verify", "restore_test"])
def test_a_damaged_backup_is_nothing_to_be_left_with(copy: BackupCopy, operation: str) -> None:
    older = an_older_one(copy)
    prove(older, operation, passed=False)
    assert_refused(copy, f"{copy.backup.label} is the last restorable backup of orders-1")
    prove(older, operation, passed=True)
    assert purge(copy).status == JobStatus.SUCCEEDED


def test_a_pinned_backup_keeps_its_copy_where_the_other_is_damaged(
    copy: BackupCopy, tmp_path: Path
) -> None:
    an_older_one(copy)
    Backup.objects.filter(pk=copy.backup_id).update(pinned=True)
    second = make_repository("second", tmp_path / "second")
    other = stored_in(second, copy.backup)
    prove(other, "verify", passed=False)
    assert_refused(copy, f"{copy.backup.label} is pinned")


def test_one_of_two_goes(copy: BackupCopy) -> None:
    an_older_one(copy)
    assert purge(copy).status == JobStatus.SUCCEEDED


def a_newer_one_in(repository: Repository, copy: BackupCopy) -> BackupCopy:
    backup = an_older_one(copy).backup
    backup.copies.all().delete()
    Backup.objects.filter(pk=backup.pk).update(ended_at=now())
    return stored_in(repository, backup)


def test_a_row_whose_disk_is_dead_is_nothing_to_be_left_with(
    copy: BackupCopy, tmp_path: Path
) -> None:
    dead = make_repository("dead", tmp_path / "dead")
    a_newer_one_in(dead, copy)
    away = (tmp_path / "dead").rename(tmp_path / "unmounted")
    assert_refused(
        copy,
        f"{copy.backup.label} is the last reachable backup of orders-1: "
        "repository dead cannot be reached",
    )
    away.rename(tmp_path / "dead")
    assert purge(copy).status == JobStatus.SUCCEEDED


def test_with_force_the_last_one_that_is_there_goes(copy: BackupCopy, tmp_path: Path) -> None:
    a_newer_one_in(make_repository("dead", tmp_path / "dead"), copy)
    (tmp_path / "dead").rename(tmp_path / "unmounted")
    assert purge(copy, force=True).status == JobStatus.SUCCEEDED


def test_an_older_one_that_is_there_is_enough(copy: BackupCopy, tmp_path: Path) -> None:
    an_older_one(copy)
    a_newer_one_in(make_repository("dead", tmp_path / "dead"), copy)
    (tmp_path / "dead").rename(tmp_path / "unmounted")
    assert purge(copy).status == JobStatus.SUCCEEDED


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("manifest.json.zst", "it has no manifest"),
        ("packs/000001.pack", "000001.pack could not be read"),
    ],
)
def test_a_hollow_backup_is_nothing_to_be_left_with(
    copy: BackupCopy, name: str, fault: str
) -> None:
    hollow = an_older_one(copy)
    (Path(copy.repository.path) / hollow.path / name).unlink()
    job = purge(copy)
    assert job.status == JobStatus.REFUSED
    assert fault in job.error


def test_a_pack_cut_short_is_nothing_to_be_left_with(copy: BackupCopy) -> None:
    short = an_older_one(copy)
    (Path(copy.repository.path) / short.path / "packs/000001.pack").write_bytes(b"")
    assert "its packs have 0 bytes instead of 1" in purge(copy).error


def test_a_pinned_backup_keeps_the_copy_that_is_there(copy: BackupCopy, tmp_path: Path) -> None:
    an_older_one(copy)
    Backup.objects.filter(pk=copy.backup_id).update(pinned=True)
    stored_in(make_repository("dead", tmp_path / "dead"), copy.backup)
    (tmp_path / "dead").rename(tmp_path / "unmounted")
    assert_refused(copy, f"{copy.backup.label} is pinned")


def test_a_purged_or_dependent_sibling_does_not_count(copy: BackupCopy) -> None:
    gone = an_older_one(copy)
    BackupCopy.objects.filter(pk=gone.pk).update(status=CopyStatus.PURGED)
    assert_refused(copy, f"{copy.backup.label} is the last restorable backup of orders-1")


def test_a_copy_elsewhere_allows_it(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    second = make_repository("second", tmp_path / "second")
    made = take_backup(orders, main, second)
    Backup.objects.update(pinned=True)
    assert purge(made.copies.get(repository=main)).status == JobStatus.SUCCEEDED
    assert stored_files(main) == ["mooring.json"]
    assert_refused(made.copies.get(repository=second), f"{made.label} is pinned")


def test_an_unproven_copy_elsewhere_does_not_stand_for_the_proven_one(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    second = make_repository("second", tmp_path / "second")
    made = take_backup(orders, main, second)
    copy, other = (made.copies.get(repository=repository) for repository in (main, second))
    prove(copy, "verify", passed=True)
    assert_refused(copy, f"{made.label} is the last proven backup of orders-1")
    prove(other, "verify", passed=True)
    assert purge(copy).status == JobStatus.SUCCEEDED


def test_a_pinned_one_stays_even_with_force(copy: BackupCopy) -> None:
    an_older_one(copy)
    Backup.objects.filter(pk=copy.backup_id).update(pinned=True, pinned_reason="audit 2026")
    assert_refused(copy, f"{copy.backup.label} is pinned: audit 2026")
    assert purge(copy, force=True).status == JobStatus.REFUSED


def test_one_that_others_are_based_on_stays_even_with_force(copy: BackupCopy) -> None:
    an_older_one(copy)
    an_older_one(copy, label="tuesday", kind="incremental", base=copy.backup)
    assert_refused(copy, f"{copy.backup.label} is needed to restore tuesday")
    assert purge(copy, force=True).status == JobStatus.REFUSED


def test_one_that_is_being_read_stays(copy: BackupCopy) -> None:
    an_older_one(copy)
    reader = Job.objects.create(
        operation="verify",
        instance=copy.backup.instance,
        copy=copy,
        backup=copy.backup,
        status=JobStatus.RUNNING,
    )
    assert_refused(copy, f"{reader} is reading {copy.backup.label}")


def test_a_purge_that_was_cut_short_is_finished_by_the_next(
    copy: BackupCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: DirectoryStore, prefix: str) -> int:
        raise RepositoryError("the disk said no")

    with monkeypatch.context() as patch:
        patch.setattr(DirectoryStore, "remove_tree", broken)
        job = purge(copy, force=True)
    copy.refresh_from_db()
    assert job.error == "delete failed: the disk said no"
    assert copy.status == CopyStatus.EXPIRED
    with pytest.raises(Refused, match="is being purged: a test"):
        create_copy_job(Operation.VERIFY, copy)
    # The decision stands: nobody has to force it again.
    assert purge(copy).status == JobStatus.SUCCEEDED
    copy.refresh_from_db()
    assert copy.status == CopyStatus.PURGED
    with pytest.raises(Refused, match="was purged"):
        create_copy_job(Operation.PURGE, copy)


def test_a_disk_that_is_not_mounted_is_not_a_purge(copy: BackupCopy) -> None:
    path = Path(copy.repository.path)
    away = path.rename(path.with_name("unmounted"))
    job = purge(copy, force=True)
    copy.refresh_from_db()
    # Its deletion had been decided: it is no longer refused.
    assert (job.status, copy.status) == (JobStatus.FAILED, CopyStatus.EXPIRED)
    assert "is not a repository" in job.error
    away.rename(path)
    assert purge(copy).status == JobStatus.SUCCEEDED


def test_another_repository_at_the_path_is_left_alone(copy: BackupCopy) -> None:
    identity = Path(copy.repository.path) / "mooring.json"
    identity.write_text(json.dumps({"repository": str(uuid4()), "format": 1}))
    job = purge(copy, force=True)
    assert job.status == JobStatus.FAILED
    assert "holds another repository" in job.error
    assert len(stored_files(copy.repository)) > 1


def test_disks_are_asked_before_the_catalog_is_locked(
    copy: BackupCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite has one lock for all: a disk that hangs would stop everything with it."""
    an_older_one(copy)
    locked: list[bool] = []
    exists = DirectoryStore.exists

    def noting(self: DirectoryStore, name: str) -> bool:
        locked.append(connection.in_atomic_block)
        return exists(self, name)

    monkeypatch.setattr(DirectoryStore, "exists", noting)
    assert purge(copy).status == JobStatus.SUCCEEDED
    assert locked == [False]


def test_no_link_is_based_on_a_copy_that_was_marked_meanwhile(
    copy: BackupCopy, main: Repository
) -> None:
    with transaction.atomic():
        assert lock_copies(copy.backup, [main]) == [copy]
    Repository.objects.update(purge_delay=timedelta(days=1))
    assert purge(copy, at_once=False, force=True).status == JobStatus.SUCCEEDED
    with transaction.atomic(), pytest.raises(StageFailed, match="the base of the backup"):
        lock_copies(copy.backup, [main])


def test_a_partial_backup_is_nothing_to_be_left_with_and_goes_itself(copy: BackupCopy) -> None:
    partial = an_older_one(copy, kind="partial")
    assert_refused(copy, f"{copy.backup.label} is the last restorable backup of orders-1")
    assert purge(partial).status == JobStatus.SUCCEEDED
