"""When is a schedule due next, and what happens to that when it is changed?

Everything that changes a schedule calls ``save_schedule``.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Max

from backups.models import BackupSchedule
from backups.schedule import next_due_time
from backups.schedules.coverage import coverage_of
from backups.schedules.due import plan_schedule
from backups.schedules.pauses import recheck_occurrences

# Changed by ticks and ``backups.schedules.pauses``: a form opened before a pause must not end it.
OWN_COLUMNS = {
    "id", "next_due_at", "created_at",
    "paused_at", "paused_until", "paused_by", "paused_reason",
}  # fmt: skip


def save_schedule(schedule: BackupSchedule, now: datetime) -> None:
    """Save a person's changes, and compute the next due time if the rhythm changed.

    Passed due times of the old rhythm are planned first.
    """
    with transaction.atomic():
        old = BackupSchedule.objects.select_for_update().filter(pk=schedule.pk).first()
        if old is None:
            schedule.save(force_insert=True)
        else:
            schedule.next_due_at = old.next_due_at
            if _unlike(old, schedule):
                _settle(old, now)
            fields = {field.name for field in schedule._meta.concrete_fields}
            schedule.save(update_fields=fields - OWN_COLUMNS)
        if old is None or _unlike(old, schedule) or schedule.next_due_at is None:
            rearm(schedule, now)
    # Outside: a tick locks occurrences first and the schedule then.
    recheck_occurrences(schedule, now)


def rearm(schedule: BackupSchedule, now: datetime) -> None:
    """Set the next due time without occurrences."""
    following = None
    if schedule.enabled:
        newest = schedule.occurrences.aggregate(newest=Max("due_at"))["newest"]
        # Later than now only if the clock was set back: those due times have occurrences.
        following = next_due_time(schedule.rhythm, max(now, newest) if newest else now)
    BackupSchedule.objects.filter(pk=schedule.pk).update(next_due_at=following)
    schedule.next_due_at = following


def _unlike(old: BackupSchedule, new: BackupSchedule) -> bool:
    return (old.rhythm, old.kind, old.enabled) != (new.rhythm, new.kind, new.enabled)


def _settle(old: BackupSchedule, now: datetime) -> None:
    if not old.enabled:
        return
    instances = coverage_of([old])[old.pk]
    while old.next_due_at is not None and old.next_due_at <= now:
        if not plan_schedule(old, instances, now):
            return
