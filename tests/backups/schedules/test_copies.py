"""What schedules want elsewhere, and what failed, is copied by a tick: when it is due, and once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.db.models import F

from backups.exceptions import RepositoryError
from backups.models import (
    Backup,
    BackupCopy,
    BackupSchedule,
    Instance,
    Job,
    Repository,
    WantedCopy,
)
from backups.models.wanted_copy import WantCause
from backups.retention.verdicts import judge_copies
from backups.schedules.copies import MOST_ACTIVE, WANTED_WITHIN, copy_wanted
from backups.states import JobStatus, Operation
from backups.transitions.wanted_copies import FIRST_WAIT, LONGEST_WAIT, drop_wanted, want_copy
from tests.backups.chains.test_chain_jobs import take
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.planning import HOUR, MINUTE, make_schedule
from tests.backups.taking import made_by_schedule, run_here

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def offsite(main: Repository, tmp_path: Path) -> Repository:
    return make_repository("offsite", tmp_path / "offsite")


@pytest.fixture
def backup(orders: Instance, main: Repository, engine: FakeEngine) -> Backup:
    return take(orders, "full", main)


@pytest.fixture
def plan(orders: Instance, offsite: Repository, backup: Backup) -> BackupSchedule:
    schedule = make_schedule(orders)
    schedule.copy_to.set([offsite])
    made_by_schedule(schedule, backup)
    return schedule


def copies() -> list[Job]:
    return list(Job.objects.filter(operation=Operation.COPY).order_by("id"))


def moment(backup: Backup) -> datetime:
    """A time of the day at which no window of the tests is open, after the backup."""
    return backup.ended_at + MINUTE


def test_what_a_schedule_wants_is_copied_once(
    plan: BackupSchedule, backup: Backup, offsite: Repository
) -> None:
    at = moment(backup)
    assert copy_wanted(at) == 1
    wanted = WantedCopy.objects.get()
    (job,) = copies()
    assert (wanted.cause, wanted.schedule, wanted.job) == (WantCause.SCHEDULE, plan, job)
    assert copy_wanted(at + HOUR) == 0
    assert run_here(job).status == JobStatus.SUCCEEDED
    assert BackupCopy.objects.filter(repository=offsite).count() == 1
    assert not WantedCopy.objects.exists()
    assert copy_wanted(at + HOUR) == 0
    # One that was purged there is not wanted again.
    BackupCopy.objects.filter(repository=offsite).update(**{"status": "purged"})
    assert copy_wanted(at + HOUR) == 0
    assert not WantedCopy.objects.exists()


def test_it_waits_for_its_times_of_the_day(plan: BackupSchedule, backup: Backup) -> None:
    at = moment(backup)
    opens = (at + 2 * HOUR).replace(second=0, microsecond=0)
    closes = opens + HOUR
    BackupSchedule.objects.update(copy_opens_at=opens.time(), copy_closes_at=closes.time())
    assert copy_wanted(at) == 0
    assert WantedCopy.objects.get().next_attempt_at == opens
    assert copy_wanted(opens - timedelta(seconds=1)) == 0
    # Nothing was requested in time.
    assert copy_wanted(closes) == 0
    assert WantedCopy.objects.get().next_attempt_at == opens + 24 * HOUR
    assert copy_wanted(opens + 24 * HOUR) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda plan, backup: BackupSchedule.objects.update(enabled=False),
        lambda plan, backup: plan.copy_to.clear(),
        lambda plan, backup: Backup.objects.update(ended_at=backup.ended_at - WANTED_WITHIN),
        lambda plan, backup: Repository.objects.filter(name="offsite").update(fault="not mounted"),
        lambda plan, backup: Repository.objects.filter(name="offsite").update(enabled=False),
        lambda plan, backup: Repository.objects.filter(name="offsite").update(encrypted=False),
    ],
)
def test_it_is_not_due(
    plan: BackupSchedule, backup: Backup, spoil: Callable[[BackupSchedule, Backup], None]
) -> None:
    spoil(plan, backup)
    assert copy_wanted(moment(backup)) == 0


def test_one_that_fails_is_tried_again_later_each_time(
    plan: BackupSchedule, backup: Backup, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(self: object) -> None:
        raise RepositoryError("no answer")

    monkeypatch.setattr("backups.repositories.directory.DirectoryUpload.commit", gone)
    assert copy_wanted(moment(backup)) == 1
    waits = []
    for _ in range(3):
        job = run_here(copies()[-1])
        assert job.status == JobStatus.FAILED
        wanted = WantedCopy.objects.get()
        assert wanted.error == "copy backups failed: no answer"
        assert wanted.failed_at is not None
        assert wanted.next_attempt_at is not None
        waits.append(wanted.next_attempt_at - wanted.failed_at)
        assert copy_wanted(wanted.next_attempt_at - timedelta(seconds=1)) == 0
        assert copy_wanted(wanted.next_attempt_at) == 1
    assert waits == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT]
    WantedCopy.objects.update(attempts=200)
    run_here(copies()[-1])
    wanted = WantedCopy.objects.get()
    assert wanted.next_attempt_at is not None
    assert wanted.failed_at is not None
    assert wanted.next_attempt_at - wanted.failed_at == LONGEST_WAIT


def test_what_cannot_be_requested_says_why(
    plan: BackupSchedule, backup: Backup, offsite: Repository
) -> None:
    want_copy(backup, offsite, WantCause.FAILED, error="it failed")
    BackupCopy.objects.update(fault="missing")
    at = moment(backup) + FIRST_WAIT
    assert copy_wanted(at) == 0
    wanted = WantedCopy.objects.get()
    assert "has no copy that could be read" in wanted.error
    assert (wanted.attempts, wanted.next_attempt_at) == (1, at + FIRST_WAIT)


def test_what_failed_with_the_backup_is_copied_without_any_schedule(
    backup: Backup, offsite: Repository
) -> None:
    wanted = want_copy(backup, offsite, WantCause.FAILED, error="it failed")
    assert wanted.next_attempt_at is not None
    assert copy_wanted(wanted.next_attempt_at - timedelta(seconds=1)) == 0
    assert copy_wanted(wanted.next_attempt_at) == 1
    assert run_here(copies()[0]).status == JobStatus.SUCCEEDED


def test_one_that_is_given_up_is_not_wanted_again(plan: BackupSchedule, backup: Backup) -> None:
    at = moment(backup)
    Repository.objects.filter(name="offsite").update(fault="not mounted")
    copy_wanted(at)
    drop_wanted(WantedCopy.objects.get(), "the site is closed")
    Repository.objects.update(fault="")
    assert copy_wanted(at + HOUR) == 0


def test_the_newest_come_first_and_not_too_many(
    plan: BackupSchedule, orders: Instance, main: Repository
) -> None:
    for _ in range(MOST_ACTIVE):
        made_by_schedule(plan, take(orders, "full", main))
    newest = list(Backup.objects.order_by("-ended_at"))
    at = moment(newest[0])
    assert copy_wanted(at) == MOST_ACTIVE
    assert [job.backup for job in copies()] == newest[:MOST_ACTIVE]
    assert copy_wanted(at) == 0
    run_here(copies()[0])
    assert copy_wanted(at + HOUR) == 1


def test_retention_waits_for_it_for_two_weeks(
    plan: BackupSchedule, backup: Backup, orders: Instance, main: Repository, offsite: Repository
) -> None:
    BackupSchedule.objects.update(keep_for=timedelta(days=1), keep_least=1, keep_proven=0)
    made_by_schedule(plan, take(orders, "full", main))
    Backup.objects.update(ended_at=F("ended_at") - timedelta(days=2))
    Backup.objects.filter(pk=backup.pk).update(ended_at=F("ended_at") - timedelta(days=3))
    wanted = want_copy(backup, offsite, WantCause.SCHEDULE, schedule=plan)

    def verdict(at: datetime) -> tuple[bool, str]:
        judged = {each.copy.backup_id: each.verdict for each in judge_copies(at)}
        return judged[backup.pk].may_go, judged[backup.pk].reason

    at = datetime.now(UTC)
    assert verdict(at) == (False, "a copy in offsite is wanted, and not made yet")
    assert verdict(wanted.wanted_at + timedelta(days=14, seconds=1))[0]
    drop_wanted(wanted, "the site is closed")
    assert verdict(at)[0]


def test_times_are_given_both_or_none(plan: BackupSchedule) -> None:
    for opens, closes in [(time(1), None), (None, time(1)), (time(1), time(1))]:
        plan.copy_opens_at, plan.copy_closes_at = opens, closes
        with pytest.raises(ValidationError, match=r"copy_closes_at"):
            plan.clean()
    plan.copy_opens_at, plan.copy_closes_at = time(1), time(2)
    plan.clean()
