"""What happens to a schedule's next moment when people change it, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from backups.exceptions import BadInput
from backups.models import BackupSchedule, Occurrence
from backups.schedules.pauses import end_pauses, pause_schedule
from backups.schedules.save import rearm, save_schedule
from tests.backups.planning import (
    HOUR,
    MINUTE,
    T0,
    make_instances,
    make_place,
    make_schedule,
    statuses,
    tick,
)

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def test_a_new_schedule_begins_with_the_next_due_time() -> None:
    assert make_schedule(saved_at=T0 - HOUR).next_due_at == T0
    # At the very moment it has come already.
    assert make_schedule(name="later", saved_at=T0).next_due_at == T0 + DAY
    assert make_schedule(name="off", enabled=False).next_due_at is None


def test_a_changed_name_does_not_move_it_past_a_slot_nobody_planned_yet() -> None:
    schedule = make_schedule()
    schedule.name = "nightly-full"
    save_schedule(schedule, T0 + MINUTE)
    assert BackupSchedule.objects.get().next_due_at == T0


def test_what_was_read_before_a_pause_does_not_end_it() -> None:
    make_schedule()
    opened = BackupSchedule.objects.get()
    pause_schedule(BackupSchedule.objects.get(), reason="moving", until=None, by=None, now=T0)
    opened.name = "nightly-full"
    save_schedule(opened, T0 + MINUTE)
    saved = BackupSchedule.objects.get()
    assert (saved.name, saved.paused_at, saved.paused_reason) == ("nightly-full", T0, "moving")


def test_a_changed_rhythm_accounts_for_the_old_one_first() -> None:
    make_place()
    schedule = make_schedule(*make_instances(2))
    schedule.cron = "0 5 * * *"
    save_schedule(schedule, T0 + MINUTE)
    assert list(Occurrence.objects.values_list("due_at", flat=True)) == [T0, T0]
    assert BackupSchedule.objects.get().next_due_at == T0 + 3 * HOUR


def test_a_form_that_was_opened_before_the_tick_moves_nothing_back() -> None:
    make_place()
    make_schedule(*make_instances(1))
    opened = BackupSchedule.objects.get()
    tick(T0)
    opened.retries = 5
    save_schedule(opened, T0 + MINUTE)
    saved = BackupSchedule.objects.get()
    assert (saved.retries, saved.next_due_at) == (5, T0 + DAY)


def test_it_is_never_armed_for_a_moment_that_was_planned_already() -> None:
    make_place()
    schedule = make_schedule(*make_instances(1))
    tick(T0)
    schedule.refresh_from_db()
    # The clock was set back by two hours.
    rearm(schedule, T0 - 2 * HOUR)
    assert BackupSchedule.objects.get().next_due_at == T0 + DAY


def test_enabled_again_it_begins_with_the_next_due_time() -> None:
    make_place()
    schedule = make_schedule(*make_instances(1), enabled=False)
    schedule.enabled = True
    save_schedule(schedule, T0 + 3 * DAY + HOUR)
    assert BackupSchedule.objects.get().next_due_at == T0 + 4 * DAY
    tick(T0 + 3 * DAY + 2 * HOUR)
    assert statuses() == []


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"cron": "0 2 * *"}, "cron"),
        ({"cron": "", "every_hours": None}, "cron"),
        ({"every_hours": 6}, "cron"),
        ({"time_zone": "Atlantis"}, "cron"),
        ({"window": timedelta(0)}, "window"),
        ({"grace": 5 * HOUR}, "grace"),
        ({"stagger": -HOUR}, "stagger"),
    ],
)
def test_what_could_never_run_is_refused(values: dict[str, Any], field: str) -> None:
    schedule = BackupSchedule(**{"name": "nightly", "cron": "0 2 * * *", **values})
    with pytest.raises(ValidationError) as refusal:
        schedule.full_clean()
    assert field in refusal.value.message_dict


@pytest.mark.parametrize(("reason", "until"), [("", None), ("x", T0), ("  ", T0 + HOUR)])
def test_a_pause_needs_a_reason_and_a_future(reason: str, until: Any) -> None:
    with pytest.raises(BadInput):
        pause_schedule(make_schedule(), reason=reason, until=until, by=None, now=T0)


def test_a_pause_ends_at_its_moment() -> None:
    schedule = make_schedule()
    pause_schedule(schedule, reason="x", until=T0 + HOUR, by=None, now=T0)
    assert schedule.paused(T0 + HOUR - timedelta(microseconds=1))
    assert not schedule.paused(T0 + HOUR)
    assert end_pauses(T0 + HOUR - timedelta(microseconds=1)) == 0
    assert end_pauses(T0 + HOUR) == 1
    schedule.refresh_from_db()
    assert (schedule.paused_at, schedule.paused_reason) == (None, "")
