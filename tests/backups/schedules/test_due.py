"""What happens to due times that passed while no scheduler ran, or while the clock was changed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backups.models import BackupSchedule, Instance, Job, Occurrence
from backups.schedules import due
from backups.schedules.pauses import pause_schedule
from tests.backups.planning import (
    HOUR,
    MINUTE,
    SECOND,
    T0,
    make_instances,
    make_place,
    make_schedule,
    only,
    start,
    statuses,
    tick,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(db: None) -> Instance:
    make_place()
    return make_instances(1, "shop")[0]


def test_a_scheduler_that_was_off_for_three_hours_starts_what_may_still_start(
    shop: Instance,
) -> None:
    make_schedule(shop, window=4 * HOUR)
    tick(T0 - HOUR)
    tick(T0 + 2 * HOUR)
    late = only()
    assert (late.status, late.job, late.late_at) == ("due", Job.objects.get(), T0 + 2 * HOUR)
    assert late.detail == (
        "the scheduler was not running from 2026-03-02 01:00:00Z to 2026-03-02 04:00:00Z"
    )


@pytest.mark.parametrize(
    ("catch_up", "status", "reason"), [("once", "due", ""), ("skip", "missed", "scheduler_down")]
)
def test_after_the_window_the_policy_decides(
    shop: Instance, catch_up: str, status: str, reason: str
) -> None:
    make_schedule(shop, window=2 * HOUR, catch_up=catch_up)
    tick(T0 - HOUR)
    back = T0 + 3 * HOUR
    tick(back)
    found = only()
    assert (found.status, found.reason) == (status, reason)
    assert Job.objects.exists() == (catch_up == "once")
    if catch_up == "once":
        assert (found.missed_after, found.late_at) == (back + 2 * HOUR, back)


def test_every_lapsed_slot_is_accounted_for(shop: Instance) -> None:
    make_schedule(shop, window=2 * HOUR)
    tick(T0 - HOUR)
    tick(T0 + timedelta(days=5, hours=3))
    assert statuses() == [("missed", "scheduler_down")] * 5 + [("due", "")]
    missed = Occurrence.objects.filter(status="missed")
    assert set(missed.values_list("ended_at", "next_check_at")) == {
        (T0 + timedelta(days=5, hours=3), None)
    }


def test_of_hourly_due_times_with_long_windows_only_the_newest_starts(shop: Instance) -> None:
    make_schedule(shop, every_hours=1, anchor_at=T0, window=4 * HOUR)
    tick(T0 - MINUTE)
    tick(T0 + 6 * HOUR + MINUTE)
    # Windows of the first three are over.
    expected = [("missed", "scheduler_down")] * 3 + [("skipped", "superseded")] * 3 + [("due", "")]
    assert statuses() == expected
    assert Job.objects.get().occurrence == Occurrence.objects.order_by("due_at").last()


def test_what_was_paused_says_so_and_not_that_nobody_was_there(shop: Instance) -> None:
    schedule = make_schedule(shop, window=HOUR)
    pause_schedule(schedule, reason="upgrade", until=None, by=None, now=T0 - HOUR)
    tick(T0 - HOUR)
    tick(T0 + timedelta(days=1, hours=2))
    assert statuses() == [("missed", "paused"), ("due", "paused")]


def test_down_between_the_slot_and_the_end_of_the_window(shop: Instance) -> None:
    # Nobody claimed the job either, because the whole machine was off.
    make_schedule(shop, window=HOUR)
    tick(T0)
    tick(T0 + 3 * HOUR)
    waiting = only()
    assert (waiting.status, waiting.missed_after) == ("due", T0 + 4 * HOUR)
    start(waiting.job, T0 + 3 * HOUR)
    tick(T0 + 3 * HOUR + 10 * SECOND)
    assert only().status == "running"


def test_down_over_a_staggered_start(shop: Instance) -> None:
    make_schedule(shop, window=HOUR, stagger=HOUR, catch_up="skip")
    tick(T0)
    assert not Job.objects.exists()
    tick(T0 + 3 * HOUR)
    assert statuses() == [("missed", "scheduler_down")]


def test_a_clock_set_back_creates_no_duplicate_and_loses_none(shop: Instance) -> None:
    schedule = make_schedule(shop, every_hours=1, anchor_at=T0)
    for minutes in range(0, 125, 5):
        tick(T0 + minutes * MINUTE)
    before = set(Occurrence.objects.values_list("due_at", flat=True))
    # Set back by an hour, and lived through once more.
    for minutes in range(60, 185, 5):
        tick(T0 + minutes * MINUTE)
    after = list(Occurrence.objects.order_by("due_at").values_list("due_at", flat=True))
    assert after == sorted(before | {T0 + 3 * HOUR})
    assert Job.objects.count() == 1
    schedule.refresh_from_db()
    assert schedule.next_due_at == T0 + 4 * HOUR


def test_a_clock_set_forwards_runs_the_due_times_it_passes_as_if_late(shop: Instance) -> None:
    make_schedule(shop, every_hours=1, anchor_at=T0, window=4 * HOUR)
    tick(T0 - MINUTE)
    tick(T0 + 2 * HOUR)
    assert [status for status, _ in statuses()] == ["skipped", "skipped", "due"]


def test_a_year_of_due_times_takes_several_ticks_and_holds_up_nobody(
    shop: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "ROWS_AT_ONCE", 50)
    monkeypatch.setattr(due, "ROWS_PER_TICK", 200)
    other = make_instances(1, "other")[0]
    huge = make_schedule(shop, name="huge", every_hours=1, anchor_at=T0, window=2 * HOUR)
    make_schedule(other, name="nightly", saved_at=T0 + timedelta(days=20, hours=-1))
    now = T0 + timedelta(days=20)
    tick(now)
    assert Job.objects.get().instance == other
    assert huge.occurrences.count() <= 200
    for later in range(1, 5):
        tick(now + later * 10 * SECOND)
    assert huge.occurrences.count() == 20 * 24 + 1
    assert huge.occurrences.exclude(status="missed").order_by("due_at").last() == (
        Job.objects.get(instance=shop).occurrence
    )
    # None twice, none left out.
    times = huge.occurrences.order_by("due_at").values_list("due_at", flat=True)
    assert list(times) == [T0 + hour * HOUR for hour in range(20 * 24 + 1)]


def test_a_schedule_that_cannot_be_read_keeps_nobody_waiting(shop: Instance) -> None:
    broken = make_schedule(shop, name="broken")
    BackupSchedule.objects.filter(pk=broken.pk).update(time_zone="Atlantis/Sunken")
    make_schedule(shop, name="nightly")
    with pytest.raises(Exception, match="there is no time zone 'Atlantis/Sunken'"):
        tick(T0)
    assert Job.objects.get().occurrence == only()


def test_a_length_beyond_every_date_keeps_nobody_waiting(shop: Instance) -> None:
    endless = make_schedule(shop, name="endless")
    BackupSchedule.objects.filter(pk=endless.pk).update(window=timedelta(days=9_000_000))
    make_schedule(shop, name="nightly")
    with pytest.raises(OverflowError):
        tick(T0)
    assert Job.objects.get().occurrence == only()


def test_members_are_those_of_the_moment(shop: Instance) -> None:
    schedule = make_schedule(shop)
    joined = make_instances(1, "joined")[0]
    tick(T0)
    schedule.instances.add(joined)
    tick(T0 + timedelta(days=1))
    due = Occurrence.objects.order_by("due_at", "instance__name")
    assert [moment.instance.name for moment in due] == ["shop-0", "joined-0", "shop-0"]


def test_starts_are_spread_and_nobody_moves_when_others_join(db: None) -> None:
    make_place()
    schedule = make_schedule(*make_instances(20), stagger=HOUR, window=2 * HOUR)
    tick(T0)
    first = dict(Occurrence.objects.values_list("instance", "starts_at"))
    assert len(set(first.values())) > 10
    assert all(T0 <= at < T0 + HOUR for at in first.values())
    schedule.instances.add(*make_instances(20, "more"))
    tick(T0 + timedelta(days=1))
    second = dict(
        Occurrence.objects.filter(due_at=T0 + timedelta(days=1)).values_list(
            "instance", "starts_at"
        )
    )
    assert {pk: second[pk] - timedelta(days=1) for pk in first} == first
