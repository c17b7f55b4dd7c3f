"""The tick of retention: it asks for purges that succeed, and for none it should not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.db.models import F
from django.utils.timezone import now

from alerts import tasks as tasks_of_alerts
from backups import tasks
from backups.exceptions import Refused
from backups.health import clock_jump
from backups.models import (
    Backup,
    BackupCopy,
    BackupSchedule,
    Instance,
    Job,
    Occurrence,
    Repository,
    TickHeartbeat,
)
from backups.retention import repository_clocks
from backups.retention.expiry import confirm_expiry, expire_backups
from backups.retention.pruning import prune_history
from backups.retention.verdicts import TICK
from backups.states import CopyStatus, JobStatus, Operation
from tests.backups.fake_engine import FakeEngine
from tests.backups.planning import make_schedule
from tests.backups.taking import made_by_schedule, prove, run_here, take_backup
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)


@pytest.fixture
def nightly(orders: Instance, main: Repository, engine: FakeEngine) -> BackupSchedule:
    """Six nightly backups, the newest proven; two weeks, their beginning and two are kept."""
    schedule = make_schedule(orders, keep_for=14 * DAY, keep_least=2)
    for age in (2, 12, 14, 22, 32, 42):
        made_by_schedule(schedule, taken(orders, age))
    prove(Backup.objects.latest("ended_at").copies.get(), "verify", passed=True)
    return schedule


def taken(instance: Instance, days_ago: int) -> Backup:
    with time_machine.travel(now() - days_ago * DAY):
        return take_backup(instance)


def purges() -> list[Job]:
    return list(Job.objects.filter(operation=Operation.PURGE).order_by("id"))


def ages_stored() -> list[int]:
    stored = Backup.objects.filter(copies__status=CopyStatus.STORED)
    return sorted((now() - backup.ended_at).days for backup in stored)


def test_what_is_too_old_is_purged_with_its_reason(nightly: BackupSchedule) -> None:
    assert expire_backups(now()) == 3
    for job in purges():
        assert run_here(job).status == JobStatus.SUCCEEDED
        event = job.events.order_by("id").first()
        assert event is not None and event.actor == "schedule nightly"
    assert ages_stored() == [2, 12, 14]
    copy = Backup.objects.earliest("ended_at").copies.get()
    assert copy.status == CopyStatus.PURGED
    assert copy.expire_reason.startswith("schedule nightly keeps 14 d and at least 2: this one")
    assert expire_backups(now()) == 0


def test_nothing_is_requested_twice(nightly: BackupSchedule) -> None:
    assert expire_backups(now()) == 3
    assert expire_backups(now()) == 0
    # A purge that failed is requested again the next day, not the next hour.
    Job.objects.filter(operation=Operation.PURGE).update(**{"status": JobStatus.FAILED})
    assert expire_backups(now()) == 0
    Job.objects.filter(operation=Operation.PURGE).update(requested_at=F("requested_at") - DAY)
    assert expire_backups(now()) == 3


@pytest.mark.parametrize("status", ["failed", "missed"])
def test_after_a_bad_run_nothing_goes(
    nightly: BackupSchedule, orders: Instance, status: str
) -> None:
    at = now() - DAY
    Occurrence.objects.create(
        schedule=nightly, instance=orders, due_at=at, starts_at=at, late_after=at,
        missed_after=at, status=status,
    )  # fmt: skip
    assert expire_backups(now()) == 0
    Occurrence.objects.filter(due_at=at).update(**{"status": "skipped"})
    assert expire_backups(now()) == 3


@pytest.mark.parametrize("values", [{"enabled": False}, {"paused_at": now()}, {"keep_for": None}])
def test_a_schedule_that_makes_nothing_new_drops_nothing_old(
    nightly: BackupSchedule, values: dict[str, object]
) -> None:
    BackupSchedule.objects.update(**values)
    assert expire_backups(now()) == 0


def test_pinned_damaged_and_needed_ones(nightly: BackupSchedule) -> None:
    newest, second, _third, fourth, fifth, sixth = Backup.objects.order_by("-ended_at")
    Backup.objects.filter(pk=fourth.pk).update(pinned=True)
    Backup.objects.filter(pk=fifth.pk).update(base=sixth, kind="incremental")
    Backup.objects.filter(pk=newest.pk).update(ended_at=now() - 15 * DAY)
    prove(newest.copies.get(), "verify", passed=False)
    prove(second.copies.get(), "verify", passed=True)
    # The damaged one goes, though it is the newest: two sound ones stay. The base waits.
    assert expire_backups(now()) == 2
    assert [job.backup for job in purges()] == [fifth, newest]


def test_backups_that_a_person_requested_are_nobodys_to_drop(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    make_schedule(orders, keep_for=DAY, keep_least=1)
    for age in (90, 91, 92):
        taken(orders, age)
    assert expire_backups(now()) == 0


def test_a_purge_that_had_to_wait_asks_the_schedule_once_more(
    nightly: BackupSchedule, orders: Instance
) -> None:
    assert expire_backups(now()) == 3
    first, second, third = purges()
    assert run_here(first).status == JobStatus.SUCCEEDED
    BackupSchedule.objects.update(paused_at=now())
    job = run_here(second)
    assert (job.status, job.error) == (JobStatus.CANCELLED, "")
    assert job.events.latest("id").reason.endswith("is kept: schedule nightly is paused")
    BackupSchedule.objects.update(paused_at=None)
    prove(Backup.objects.latest("ended_at").copies.get(), "verify", passed=False)
    job = run_here(third)
    assert job.status == JobStatus.CANCELLED
    assert job.events.latest("id").reason.endswith("is proven restorable and present")
    assert ages_stored() == [2, 12, 14, 22, 32]


def test_no_purge_of_retention_leaves_the_instance_without_a_proven_backup_on_disk(
    nightly: BackupSchedule, main: Repository
) -> None:
    """The rows say that it is there: only the purge itself looks at the disk."""
    proven = Backup.objects.latest("ended_at").copies.get()
    assert expire_backups(now()) == 3
    (Path(main.path) / proven.path / "packs" / "000001.pack").unlink()
    job = run_here(purges()[0])
    assert job.status == JobStatus.REFUSED
    assert "is the last proven backup of orders-1: " in job.error
    assert len(ages_stored()) == 6


def test_a_disabled_instance_keeps_what_it_has(nightly: BackupSchedule, orders: Instance) -> None:
    Instance.objects.update(enabled=False)
    assert expire_backups(now()) == 0


def test_a_failed_restore_test_counts_though_a_verify_came_after_it(
    nightly: BackupSchedule,
) -> None:
    newest, second = [each.copies.get() for each in Backup.objects.order_by("-ended_at")[:2]]
    BackupSchedule.objects.update(keep_least=3)
    prove(second, "verify", passed=True)
    prove(newest, "restore_test", passed=False)
    prove(newest, "verify", passed=True)
    # Three sound ones stay beside it.
    assert expire_backups(now()) == 2
    prove(newest, "restore_test", passed=True)
    assert expire_backups(now()) == 1


@pytest.fixture
def moved_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the clocks of a database server and of disks, which no test moves."""
    monkeypatch.setattr(clock_jump, "database_clock", lambda: None)
    monkeypatch.setattr(repository_clocks, "repository_clock", lambda _: None)


@pytest.mark.usefixtures("moved_clock")
@pytest.mark.parametrize(("stored", "left", "purges"), [(True, 7, 4), (False, 1, 0)])
def test_what_tells_how_long_a_stored_backup_is_kept_is_not_forgotten(
    nightly: BackupSchedule, orders: Instance, stored: bool, left: int, purges: int
) -> None:
    later = now() + 500 * DAY
    made_by_schedule(nightly, taken(orders, 0))
    if not stored:
        BackupCopy.objects.update(**{"status": CopyStatus.PURGED})
    prune_history(later)
    assert Occurrence.objects.count() == left
    # They would be kept for ever if nobody knew whose they are.
    BackupSchedule.objects.update(keep_least=3)
    assert expire_backups(later) == purges


@pytest.mark.usefixtures("moved_clock")
def test_a_clock_that_jumped_a_year_expires_nothing_until_a_person_confirms(
    nightly: BackupSchedule,
) -> None:
    TickHeartbeat.objects.create(name=TICK, finished_at=now())
    with time_machine.travel(now() + 365 * DAY):
        with pytest.raises(Refused, match=r"expire backups is held: .* 365 days ago"):
            expire_backups(now())
        for task in (tasks.prune_history, tasks_of_alerts.prune_alerts):
            TickHeartbeat.objects.update_or_create(
                name=task.__name__.replace("_", " "),
                defaults={"finished_at": now() - 365 * DAY},
            )
            with pytest.raises(Refused, match="is held"):
                task()
        assert purges() == []
        answer = run_command("confirmexpiry", "--json").json()
        assert answer["purges"] == len(purges()) == 4
        assert expire_backups(now()) == 0
        tasks.prune_history()


@pytest.mark.usefixtures("moved_clock")
def test_after_a_jump_not_even_a_run_without_work_counts(orders: Instance) -> None:
    TickHeartbeat.objects.create(name=TICK, finished_at=now())
    # Nothing expires in the first hour, perhaps because the newest run was missed: the next hour's
    # run must not take this one for the last by a right clock.
    with (
        time_machine.travel(now() + 365 * DAY),
        pytest.raises(Refused, match=r"expire backups is held: .* 365 days ago"),
    ):
        expire_backups(now())


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1)])
def test_another_clock_of_a_repository_expires_nothing(
    nightly: BackupSchedule, main: Repository, monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    monkeypatch.setattr(clock_jump, "database_clock", lambda: None)
    with (
        time_machine.travel(now() + jump),
        pytest.raises(Refused, match=r"expire backups is held: .* that of repository main"),
    ):
        expire_backups(now())
    assert (purges(), sorted(Path(main.path).glob("clock*"))) == ([], [])
    assert expire_backups(now()) == 3


def test_a_repository_that_cannot_be_reached_holds_nothing_of_others(
    nightly: BackupSchedule, main: Repository
) -> None:
    Path(main.path).rename(Path(main.path).with_name("unmounted"))
    assert expire_backups(now()) == 3


def test_an_unusual_share_of_all_copies_is_held(
    nightly: BackupSchedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backups.retention.expiry.PURGES_UNHELD", 2)
    with pytest.raises(Refused, match="3 or more of 6 stored copies"):
        expire_backups(now())
    assert purges() == []
    assert confirm_expiry(now()) == 3
