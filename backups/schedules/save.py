"""When is a schedule due next, and what happens to that when it is changed?

Everything that changes a schedule calls ``save_schedule``.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Max

from backups.exceptions import BadInput
from backups.models import BackupSchedule
from backups.schedule import fault_of_chain, next_due_time
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
        _refuse_chain(schedule)
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
    # A chained one is due when a run of the other ends.
    if schedule.enabled and schedule.after_id is None:
        newest = schedule.occurrences.aggregate(newest=Max("due_at"))["newest"]
        # Later than now only if the clock was set back: those due times have occurrences.
        following = next_due_time(schedule.rhythm, max(now, newest) if newest else now)
    BackupSchedule.objects.filter(pk=schedule.pk).update(next_due_at=following)
    schedule.next_due_at = following


def _refuse_chain(schedule: BackupSchedule) -> None:
    """Raise BadInput for a circle, even if two schedules are saved at the same time."""
    if schedule.after_id is None:
        return
    rows = BackupSchedule.objects.select_for_update(no_key=True).order_by("pk")
    every = list(rows.values_list("pk", "name", "after"))
    links = {pk: after for pk, _, after in every}
    names = {pk: name for pk, name, _ in every}
    if fault := fault_of_chain(schedule.pk, schedule.after_id, links, names):
        raise BadInput(f"{schedule.name} may not run after {names[schedule.after_id]}", hint=fault)


def _unlike(old: BackupSchedule, new: BackupSchedule) -> bool:
    return _planned_by(old) != _planned_by(new)


def _planned_by(schedule: BackupSchedule) -> tuple[object, ...]:
    return schedule.after_id, schedule.rhythm, schedule.kind, schedule.enabled


def _settle(old: BackupSchedule, now: datetime) -> None:
    if not old.enabled:
        return
    instances = coverage_of([old])[old.pk]
    while old.next_due_at is not None and old.next_due_at <= now:
        if not plan_schedule(old, instances, now):
            return
