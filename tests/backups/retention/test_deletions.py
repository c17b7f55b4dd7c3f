"""From the mark to the deletion: what a delay leaves restorable, who undoes it, what is kept."""

from __future__ import annotations

import random
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.db import connection
from django.utils.timezone import now

from backups.activity import Actor, acting_as
from backups.chains.candidates import load_candidates
from backups.exceptions import Refused
from backups.health import clock_jump
from backups.health.protection_facts import find_candidates
from backups.health.usable import lasting_copies, usable_copies
from backups.models import (
    Activity,
    Backup,
    BackupCopy,
    BackupSchedule,
    Deletion,
    Instance,
    Job,
    Repository,
)
from backups.models.activity import Verb
from backups.repositories.directory import DirectoryStore
from backups.retention.delays import LONGEST_STEP, unseen
from backups.retention.expiry import expire_backups
from backups.retention.holds import hold_backup, pin_backup
from backups.retention.marks import HELD_FOR, due_deletions, keep_backup
from backups.retention.verdicts import judge_copies
from backups.states import CopyStatus, DeletionStatus, JobStatus, Operation
from tests.backups.conftest import make_repository
from tests.backups.fake_engine import FakeEngine
from tests.backups.planning import make_schedule
from tests.backups.taking import (
    made_by_schedule,
    prove,
    purge,
    restore,
    run_here,
    stored_files,
    take_backup,
)
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DELAY = 3 * DAY


@pytest.fixture
def main(db: None, key_file: Path, tmp_path: Path) -> Repository:
    return make_repository("main", tmp_path / "main", purge_delay=DELAY)


@pytest.fixture(autouse=True)
def every_clock_goes_with_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DirectoryStore, "clock", lambda self: now())
    monkeypatch.setattr(clock_jump, "database_clock", now)


def taken(instance: Instance, age: timedelta) -> BackupCopy:
    with time_machine.travel(now() - age):
        return take_backup(instance).copies.get()


@pytest.fixture
def pair(orders: Instance, main: Repository, engine: FakeEngine) -> tuple[BackupCopy, BackupCopy]:
    """An older copy, and a newer one that is proven."""
    older, newer = taken(orders, 40 * DAY), taken(orders, DAY)
    prove(newer, "verify", passed=True)
    return older, newer


@pytest.fixture
def expired(pair: tuple[BackupCopy, BackupCopy]) -> BackupCopy:
    """The older one, which its schedule keeps no longer."""
    schedule = make_schedule(pair[0].backup.instance, keep_for=7 * DAY, keep_least=1)
    for copy in (pair[0], taken(pair[0].backup.instance, 10 * DAY), pair[1]):
        made_by_schedule(schedule, copy.backup)
    return pair[0]


def ticks_ran(after: timedelta) -> None:
    """As if the hourly ticks until that moment had run as well."""
    Deletion.objects.update(seen_at=now() + after - HOUR)


def tick(after: timedelta = timedelta(0)) -> list[Job]:
    """Run the hourly tick and what it requests, at a later moment."""
    known = set(Job.objects.values_list("pk", flat=True))
    ticks_ran(after)
    with time_machine.travel(now() + after):
        expire_backups(now())
        return [run_here(job) for job in Job.objects.exclude(pk__in=known).order_by("id")]


def the_deletion(copy: BackupCopy) -> Deletion:
    return Deletion.objects.filter(copy=copy).latest("id")


def keep(copy: BackupCopy, reason: str = "a mistake") -> None:
    with acting_as(lambda: Actor("olga", "site")):
        keep_backup(copy.backup, reason=reason, now=now())


def test_what_expires_is_marked_and_deleted_when_the_delay_is_over(
    expired: BackupCopy, main: Repository
) -> None:
    before = stored_files(main)
    (job,) = tick()
    assert (job.status, job.stages.get(name="delete").status) == ("succeeded", "skipped")
    mark = the_deletion(expired)
    assert (mark.status, mark.requested_by, mark.retention) == ("marked", "schedule nightly", True)
    assert mark.due_at - mark.marked_at == DELAY
    assert mark.reason.startswith("schedule nightly keeps 7 d and at least 1")
    assert mark.remains_marked["restorable"] == 2
    assert "verify passed" in mark.remains_marked["found"][0]["proof"]
    assert stored_files(main) == before
    assert tick() == tick(DELAY - HOUR) == []
    (job,) = tick(DELAY + HOUR)
    assert job.status == JobStatus.SUCCEEDED
    expired.refresh_from_db()
    assert (expired.status, expired.expire_reason) == (CopyStatus.PURGED, mark.reason)
    mark.refresh_from_db()
    assert (mark.status, mark.hastened_by) == (DeletionStatus.DELETED, "")
    assert mark.remains_deleted["restorable"] == 2
    assert len(stored_files(main)) < len(before)


@pytest.mark.parametrize(
    ("gap", "missed"),
    [
        (-5 * DAY, 0 * HOUR),
        (0 * HOUR, 0 * HOUR),
        (LONGEST_STEP, 0 * HOUR),
        (3 * HOUR, HOUR),
        (3 * DAY, 70 * HOUR),
    ],
)
def test_only_what_is_longer_than_a_late_tick_was_not_seen(
    gap: timedelta, missed: timedelta
) -> None:
    at = now()
    assert unseen(at, at + gap) == missed


def test_until_then_it_is_restored_byte_for_byte_and_protects_nobody(
    expired: BackupCopy, tmp_path: Path
) -> None:
    tick()
    assert restore(expired, tmp_path / "target").status == JobStatus.SUCCEEDED
    assert expired in usable_copies()
    assert expired not in lasting_copies()


def test_a_green_light_and_a_new_link_rest_on_nothing_that_is_marked(
    pair: tuple[BackupCopy, BackupCopy],
) -> None:
    older, newer = pair
    instance = older.backup.instance
    prove(older, "verify", passed=True)
    assert purge(newer, at_once=False).status == JobStatus.SUCCEEDED
    (row,) = find_candidates([instance.pk])
    assert (row.newest_id, row.full_at) == (older.backup_id, older.backup.ended_at)
    assert [each.label for each in load_candidates(instance)] == [older.backup.label]
    # Nor does retention count it among those that are kept.
    judged = {each.copy.pk: each for each in judge_copies(now(), [instance.pk])}
    assert judged[newer.pk].verdict.may_go
    assert judged[newer.pk].verdict.reason == "marked by mooring: a test"


def test_a_mark_is_undone_and_retention_waits_for_the_hold(expired: BackupCopy) -> None:
    tick()
    keep(expired)
    mark = the_deletion(expired)
    assert (mark.status, mark.ended_by, mark.end_reason) == ("kept", "olga", "a mistake")
    backup = Backup.objects.get(pk=expired.backup_id)
    assert (backup.held_by, backup.held_reason) == ("olga", "a mistake")
    verbs = set(Activity.objects.values_list("verb", flat=True))
    assert {Verb.MARKED, Verb.KEPT, Verb.HELD} <= verbs
    for after in (timedelta(0), DELAY + HOUR, HELD_FOR - HOUR):
        tick(after)
        assert the_deletion(expired) == mark
    # Marked again, with a delay of its own, and purged.
    tick(HELD_FOR + HOUR)
    assert the_deletion(expired) != mark
    tick(HELD_FOR + DELAY)
    assert the_deletion(expired).status == DeletionStatus.MARKED
    tick(HELD_FOR + DELAY + 2 * HOUR)
    expired.refresh_from_db()
    assert expired.status == CopyStatus.PURGED
    assert [each.status for each in expired.deletions.order_by("id")] == ["kept", "deleted"]


def test_retention_withdraws_its_mark_when_it_keeps_the_copy_again(expired: BackupCopy) -> None:
    tick()
    BackupSchedule.objects.update(keep_for=90 * DAY)
    assert tick(DELAY + HOUR) == []
    mark = the_deletion(expired)
    assert (mark.status, mark.ended_by) == (DeletionStatus.WITHDRAWN, "expire backups")
    assert mark.end_reason


@pytest.mark.parametrize("jump", [3 * DAY + HOUR, 6 * DAY])
def test_time_that_nobody_saw_pass_ends_no_delay(expired: BackupCopy, jump: timedelta) -> None:
    """A clock that jumps ahead, or a weekend without power: less than what holds the tick."""
    tick()
    before = the_deletion(expired)
    with time_machine.travel(now() + jump):
        expire_backups(now())
        after = the_deletion(expired)
        assert (after.status, Job.objects.filter(copy=expired).count()) == ("marked", 1)
        assert after.due_at - before.due_at == after.extended
        assert timedelta(0) <= after.extended - (jump - LONGEST_STEP) < HOUR
        # Counted once.
        expire_backups(now())
        assert the_deletion(expired).extended == after.extended
    tick(DELAY + after.extended + HOUR)
    assert the_deletion(expired).status == DeletionStatus.DELETED


def test_a_fault_of_today_delays_a_due_deletion(expired: BackupCopy) -> None:
    tick()
    BackupSchedule.objects.update(paused_at=now())
    (job,) = tick(DELAY + HOUR)
    assert job.status == JobStatus.CANCELLED
    assert the_deletion(expired).problem.endswith("is kept: schedule nightly is paused")
    BackupSchedule.objects.update(paused_at=None)
    assert tick(DELAY + 2 * HOUR) == []
    (job,) = tick(2 * DAY + DELAY)
    assert (job.status, the_deletion(expired).problem) == (JobStatus.SUCCEEDED, "")


@pytest.mark.parametrize("loss", ["fault", "proof", "disk"])
def test_a_due_deletion_is_refused_where_what_remained_is_lost(
    pair: tuple[BackupCopy, BackupCopy], main: Repository, loss: str
) -> None:
    older, newer = pair
    assert purge(older, at_once=False).status == JobStatus.SUCCEEDED
    if loss == "proof":
        prove(newer, "restore_test", passed=False)
    elif loss == "fault":
        BackupCopy.objects.filter(pk=newer.pk).update(fault="missing")
        (Path(main.path) / newer.path / "manifest.json.zst").unlink()
    else:
        (Path(main.path) / newer.path).rename(Path(main.path).with_name("lost"))
    (job,) = tick(DELAY + HOUR)
    assert job.status == JobStatus.REFUSED
    assert " is the last re" in job.error
    mark = the_deletion(older)
    older.refresh_from_db()
    assert (mark.status, older.status) == (DeletionStatus.MARKED, CopyStatus.STORED)
    assert " is the last re" in mark.problem
    # Not every hour again, but the next day.
    assert tick(DELAY + 2 * HOUR) == []
    assert len(tick(DELAY + 2 * DAY)) == 1


def test_two_marks_never_leave_nothing(pair: tuple[BackupCopy, BackupCopy]) -> None:
    older, newer = pair
    assert purge(older, at_once=False).status == JobStatus.SUCCEEDED
    assert purge(newer, at_once=False).status == JobStatus.REFUSED
    job = purge(newer)
    assert (job.status, "is the last restorable backup" in job.error) == (JobStatus.REFUSED, True)


def test_a_forced_mark_may_take_the_last_one(pair: tuple[BackupCopy, BackupCopy]) -> None:
    older, newer = pair
    purge(older, at_once=False)
    assert purge(newer, force=True, at_once=False).status == JobStatus.SUCCEEDED
    assert the_deletion(newer).remains_marked["found"] == []
    (first, second) = tick(DELAY + HOUR)
    assert JobStatus.SUCCEEDED in (first.status, second.status)
    newer.refresh_from_db()
    assert newer.status == CopyStatus.PURGED


def test_the_delay_can_be_cut_short_and_who_did_is_recorded(expired: BackupCopy) -> None:
    tick()
    assert purge(expired).status == JobStatus.SUCCEEDED
    mark = the_deletion(expired)
    assert (mark.status, mark.hastened_by, mark.hastened_reason) == ("deleted", "mooring", "a test")
    assert mark.requested_by == "schedule nightly"


def test_a_marked_copy_is_not_marked_twice(expired: BackupCopy) -> None:
    tick()
    job = purge(expired, at_once=False)
    assert job.status == JobStatus.REFUSED
    assert "is marked already: it is deleted from" in job.error
    assert Deletion.objects.count() == 1


def test_a_chain_is_marked_from_its_end_and_kept_whole(
    expired: BackupCopy, main: Repository
) -> None:
    link = taken(expired.backup.instance, 39 * DAY)
    Backup.objects.filter(pk=link.backup_id).update(kind="incremental", base=expired.backup)
    link.backup.ancestors.create(ancestor=expired.backup, position=0)
    schedule = BackupSchedule.objects.get()
    made_by_schedule(schedule, link.backup)
    (first,) = tick()
    assert first.copy == link
    (second,) = tick(HOUR)
    assert second.copy == expired
    assert Deletion.objects.filter(status=DeletionStatus.MARKED).count() == 2
    # At the end of the delay the link goes first.
    with time_machine.travel(now() + DELAY + 2 * HOUR):
        assert [each.copy for each in due_deletions(now())] == [link]
    keep(link)
    assert not Deletion.objects.filter(status=DeletionStatus.MARKED).exists()
    assert tick(HOUR) == []


def test_a_mark_past_due_says_which_backups_need_the_copy(
    pair: tuple[BackupCopy, BackupCopy],
) -> None:
    """As when a link was copied onto a base that a person had marked."""
    older, newer = pair
    assert purge(older, at_once=False).status == JobStatus.SUCCEEDED
    Backup.objects.filter(pk=newer.backup_id).update(kind="incremental", base=older.backup)
    newer.backup.ancestors.create(ancestor=older.backup, position=0)
    assert tick(DELAY - HOUR) == []
    assert the_deletion(older).problem == ""
    assert tick(DELAY + HOUR) == []
    mark = the_deletion(older)
    assert mark.status == DeletionStatus.MARKED
    assert mark.problem == (
        f"{older.backup.label} is needed to restore {newer.backup.label}: purge those first, "
        "or keep it"
    )
    assert mark.problem in run_command("listdeletions").stdout


@pytest.mark.parametrize("status", [CopyStatus.EXPIRED, CopyStatus.PURGED])
def test_it_is_too_late_once_it_is_being_deleted(expired: BackupCopy, status: CopyStatus) -> None:
    with pytest.raises(Refused, match="is not marked for deletion"):
        keep(expired)
    BackupCopy.objects.filter(pk=expired.pk).update(status=status)
    with pytest.raises(Refused, match="it is too late"):
        keep(expired)


def test_a_due_purge_that_was_queued_deletes_nothing_that_was_undone(expired: BackupCopy) -> None:
    tick()
    ticks_ran(DELAY + HOUR)
    with time_machine.travel(now() + DELAY + HOUR):
        assert expire_backups(now()) == 1
        job = Job.objects.filter(operation=Operation.PURGE).latest("id")
        keep(expired)
        assert run_here(job).status == JobStatus.CANCELLED
    expired.refresh_from_db()
    assert (expired.status, the_deletion(expired).status) == ("stored", "kept")


def test_of_an_undo_and_the_deletion_exactly_one_wins(expired: BackupCopy) -> None:
    """Both at the same moment, several times over."""
    tick()
    outcomes: list[str] = []
    ticks_ran(DELAY + HOUR)
    with time_machine.travel(now() + DELAY + HOUR):
        expire_backups(now())
        job = Job.objects.filter(operation=Operation.PURGE).latest("id")
        start = threading.Barrier(2)

        def undo() -> None:
            try:
                start.wait()
                keep(expired)
                outcomes.append("kept")
            except Refused:
                outcomes.append("too late")
            finally:
                connection.close()

        thread = threading.Thread(target=undo)
        thread.start()
        start.wait()
        run_here(job)
        thread.join()
    expired.refresh_from_db()
    deleted = expired.status == CopyStatus.PURGED
    assert outcomes == ["too late" if deleted else "kept"]
    assert the_deletion(expired).status == ("deleted" if deleted else "kept")


def test_whatever_people_and_ticks_do_a_restorable_backup_stays(
    orders: Instance, main: Repository, engine: FakeEngine
) -> None:
    """Marks, undos, ticks and a moved clock in any order."""
    schedule = make_schedule(orders, keep_for=5 * DAY, keep_least=1)
    for age in (30, 20, 12, 6, 1):
        copy = taken(orders, age * DAY)
        made_by_schedule(schedule, copy.backup)
        prove(copy, "verify", passed=True)
    chosen = random.Random(14)
    at = timedelta(0)
    for _ in range(25):
        copies = list(BackupCopy.objects.filter(status=CopyStatus.STORED))
        copy = chosen.choice(copies)
        match chosen.choice(["tick", "purge", "keep", "wait"]):
            case "tick":
                tick(at)
            case "wait":
                at += chosen.choice([HOUR, DAY, 4 * DAY])
            case "purge":
                with time_machine.travel(now() + at):
                    purge(copy, at_once=chosen.random() < 0.3)
            case "keep":
                with time_machine.travel(now() + at):
                    try:
                        keep(copy)
                    except Refused as exc:
                        assert "is not marked" in str(exc)
        assert lasting_copies().exists()
        marked = Deletion.objects.filter(status=DeletionStatus.MARKED)
        assert not marked.exclude(copy__status=CopyStatus.STORED).exists()
        gone = Deletion.objects.filter(status=DeletionStatus.DELETED)
        assert not gone.exclude(copy__status=CopyStatus.PURGED).exists()
        assert all(each.remains_deleted["restorable"] for each in gone)


@pytest.mark.parametrize("promise", ["pin", "hold"])
def test_a_pin_or_a_hold_undoes_the_marks_of_a_backup(expired: BackupCopy, promise: str) -> None:
    tick()
    if promise == "pin":
        pin_backup(expired.backup, reason="audit")
    else:
        hold_backup(expired.backup, until=now() + DAY, reason="audit", now=now())
    mark = the_deletion(expired)
    assert mark.status == DeletionStatus.KEPT
    assert mark.end_reason.endswith(": audit")


def test_one_of_two_copies_is_kept(
    orders: Instance, main: Repository, engine: FakeEngine, tmp_path: Path
) -> None:
    second = make_repository("second", tmp_path / "second", purge_delay=DELAY)
    made = take_backup(orders, main, second)
    copies = [made.copies.get(repository=each) for each in (main, second)]
    take_backup(orders, main)
    assert [purge(each, at_once=False).status for each in copies] == ["succeeded", "succeeded"]
    keep_backup(made, reason="half of it", now=now(), repository=second)
    assert [the_deletion(each).status for each in copies] == ["marked", "kept"]
    with pytest.raises(Refused, match="is not marked for deletion in second"):
        keep_backup(made, reason="again", now=now(), repository=second)
