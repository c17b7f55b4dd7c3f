"""A plan tells what a restore would find, in figures, and leaves no trace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from backups.checks import Verdict
from backups.jobs.request import create_restore_job
from backups.models import Backup, BackupCopy, Deletion, Evidence, Instance, Job, Repository
from backups.restores.estimates import estimate_time
from backups.restores.plan import (
    PlannedRestore,
    RestorePlan,
    command_of,
    plan_restore,
)
from backups.states import Operation
from tests.backups.fake_engine import FakeEngine
from tests.backups.taking import restore, take_backup
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def copy(orders: Instance, main: Repository, engine: FakeEngine) -> BackupCopy:
    return take_backup(orders).copies.get()


# Any: the other columns of a planned restore.
def plan(copy: BackupCopy, target: Path, **words: Any) -> RestorePlan:
    return plan_restore(PlannedRestore(copy, target, raw=True, **words))


def refusals(found: RestorePlan) -> dict[str, str]:
    return {check.name: check.found for check in found.refused}


def test_a_good_plan_changes_nothing(copy: BackupCopy, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "target"
    jobs = Job.objects.count()
    found = plan(copy, target)
    assert refusals(found) == {}
    assert {check.verdict for check in found.checks} == {Verdict.OK}
    assert found.need_bytes and found.need_bytes > (copy.backup.raw_bytes or 0)
    assert not target.parent.exists()
    assert Job.objects.count() == jobs
    # And what was planned can be done.
    assert restore(copy, target).status == "succeeded"


def test_a_copy_that_is_marked_for_deletion(copy: BackupCopy, tmp_path: Path) -> None:
    due_at = datetime(2026, 3, 5, 1, tzinfo=UTC)
    Deletion.objects.create(
        copy=copy, reason="it is old", requested_by="schedule nightly", due_at=due_at
    )
    found = plan(copy, tmp_path / "new")
    (check,) = (check for check in found.checks if check.verdict is not Verdict.OK)
    assert (check.name, check.verdict) == ("deletion", Verdict.WARNING)
    assert check.found == (
        "marked for deletion: deleted from 2026-03-05 01:00Z; marked by schedule nightly: it is old"
    )
    keep = f"keepbackup {copy.backup.label} --repository main"
    words = (copy.backup.label, "--to", str(tmp_path / "new"), "--raw", "--plan")
    shown = run_command("restorebackup", *words)
    assert shown.exit_code == 0
    assert f"HINT: deletion: Keep it with {keep}." in shown.stdout
    assert run_command("restorebackup", *words, "--json").json()["deleted_from"] == (
        due_at.isoformat()
    )
    assert run_command(*keep.split()).exit_code == 0
    assert "deletion" not in {check.name for check in plan(copy, tmp_path / "new").checks}


def test_a_folder_with_something_in_it(copy: BackupCopy, tmp_path: Path) -> None:
    (tmp_path / "theirs").touch()
    assert refusals(plan(copy, tmp_path)) == {"target": f"{tmp_path} is not empty"}


def test_a_repository_that_is_not_there(copy: BackupCopy, tmp_path: Path) -> None:
    Path(copy.repository.path).rename(tmp_path / "elsewhere")
    assert set(refusals(plan(copy, tmp_path / "new"))) == {"copy, repository and key"}


def test_a_key_that_is_gone(copy: BackupCopy, key_file: Path, tmp_path: Path) -> None:
    key_file.unlink()
    found = refusals(plan(copy, tmp_path / "new"))
    assert "cannot be read" in found["copy, repository and key"]


def test_an_owner_nobody_knows(copy: BackupCopy, tmp_path: Path) -> None:
    found = refusals(plan(copy, tmp_path / "new", owner="nobody-of-that-name"))
    assert "nobody-of-that-name" in found["owner"]


def test_a_target_that_a_restore_is_filling(copy: BackupCopy, tmp_path: Path) -> None:
    job = create_restore_job(copy, tmp_path / "new", wake=False)
    assert f"job {job.pk} is already restoring" in refusals(plan(copy, tmp_path / "new"))["target"]


def test_a_restore_that_was_measured_is_the_estimate(copy: BackupCopy, tmp_path: Path) -> None:
    assert estimate_time(copy).length is None
    restore(copy, tmp_path / "first")
    by_rate = estimate_time(copy)
    assert by_rate.length and "1 restore from main" in by_rate.basis
    Evidence.objects.create(
        copy=copy, operation=Operation.RESTORE_TEST, passed=True, recovery_time=3 * MINUTE
    )
    assert estimate_time(copy).length == 3 * MINUTE


def test_the_whole_time_of_a_restore_test_is_no_rate(copy: BackupCopy, tmp_path: Path) -> None:
    restore(copy, tmp_path / "first")
    Job.objects.filter(operation=Operation.RESTORE).update(operation=Operation.RESTORE_TEST)
    assert Job.objects.filter(operation=Operation.RESTORE_TEST, bytes_done__gt=0).exists()
    assert estimate_time(copy).length is None


def test_the_restore_test_of_another_backup_counts_by_size(
    copy: BackupCopy, orders: Instance
) -> None:
    raw_bytes = 3 * (copy.backup.raw_bytes or 0)
    at = copy.backup.ended_at
    backup = Backup.objects.create(
        label="newer", instance=orders, kind="full", engine="fake", raw_bytes=raw_bytes,
        started_at=at, ended_at=at,
    )  # fmt: skip
    newer = BackupCopy(backup=backup, repository=copy.repository)
    Evidence.objects.create(
        copy=copy, operation=Operation.RESTORE_TEST, passed=True, recovery_time=MINUTE
    )
    assert estimate_time(newer).length == 3 * MINUTE


def test_an_increment_takes_as_long_as_what_it_restores(copy: BackupCopy, orders: Instance) -> None:
    full = copy.backup
    link = Backup.objects.create(
        label="link", instance=orders, kind="incremental", base=full, engine="fake", raw_bytes=1,
        restored_bytes=2 * (full.raw_bytes or 0), started_at=full.ended_at, ended_at=full.ended_at,
    )  # fmt: skip
    increment = BackupCopy(backup=link, repository=copy.repository)
    Evidence.objects.create(
        copy=copy, operation=Operation.RESTORE_TEST, passed=True, recovery_time=MINUTE
    )
    assert estimate_time(increment).length == 2 * MINUTE


def test_the_command_is_quoted(copy: BackupCopy) -> None:
    wish = PlannedRestore(copy, Path("/srv/my data"), raw=True, owner="mysql:mysql", mysqld="/m")
    words = command_of(wish)
    assert words.startswith(f"./mooring manage restorebackup {copy.backup.label} --repository main")
    assert words.endswith("--to '/srv/my data' --raw --owner mysql:mysql --mysqld /m")
