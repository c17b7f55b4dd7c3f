"""Who pauses a schedule, why, and until when?"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from backups.exceptions import BadInput
from backups.models import BackupSchedule, Occurrence

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def pause_schedule(
    schedule: BackupSchedule,
    *,
    reason: str,
    until: datetime | None,
    by: User | None,
    now: datetime,
) -> None:
    """Pause a schedule, for a reason, until it is resumed or until ``until``."""
    if not reason.strip():
        raise BadInput("a pause needs a reason", hint="Others must see why nothing runs.")
    if until is not None and until <= now:
        raise BadInput(f"{until:%Y-%m-%d %H:%M}Z is in the past")
    _write(schedule, paused_at=now, paused_until=until, paused_by=by, paused_reason=reason[:200])
    recheck_occurrences(schedule, now)


def resume_schedule(schedule: BackupSchedule, *, now: datetime) -> None:
    """End a pause: what is due and inside its window starts at the next tick."""
    _write(schedule, paused_at=None, paused_until=None, paused_by=None, paused_reason="")
    recheck_occurrences(schedule, now)


def end_pauses(now: datetime) -> int:
    """Resume the schedules whose pause is over; return how many."""
    over = list(BackupSchedule.objects.filter(paused_until__lte=now))
    for schedule in over:
        resume_schedule(schedule, now=now)
    return len(over)


def recheck_occurrences(schedule: BackupSchedule, now: datetime) -> None:
    """Let the next tick check the open occurrences of a schedule."""
    waiting = Occurrence.objects.filter(schedule=schedule, next_check_at__gt=now)
    waiting.filter(starts_at__lte=now).update(next_check_at=now)


def _write(schedule: BackupSchedule, **values: object) -> None:
    # Columns by name: the tick moves next_due_at of the same row.
    BackupSchedule.objects.filter(pk=schedule.pk).update(**values)
    for name, value in values.items():
        setattr(schedule, name, value)
