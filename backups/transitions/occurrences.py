"""Who may write the status of an occurrence? Only this module."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from backups.exceptions import IllegalTransition
from backups.models import InstanceProtection, Job, Occurrence
from backups.states import (
    OCCURRENCE_MOVES,
    TERMINAL_OCCURRENCE_STATUSES,
    OccurrenceStatus,
    Operation,
)


def move_occurrence(
    occurrence: Occurrence, to: OccurrenceStatus, *, now: datetime, **values: object
) -> bool:
    """Move an occurrence, or with its own status write what is known of it.

    Return False, and change nothing, when another process has moved it or given it a job.
    """
    old = OccurrenceStatus(occurrence.status)
    if to is not old:
        if to not in OCCURRENCE_MOVES[old]:
            raise IllegalTransition(f"{occurrence}: {old} to {to}")
        values |= {"status": to, "status_since": now}
    if to in TERMINAL_OCCURRENCE_STATUSES:
        values = {"ended_at": now, **values, "next_look_at": None, "retry_at": None}
    same = Occurrence.objects.filter(pk=occurrence.pk, status=old, job=occurrence.job_id)
    won = same.update(**values)
    if won:
        for name, value in values.items():
            setattr(occurrence, name, value)
        if to in TERMINAL_OCCURRENCE_STATUSES:
            look_again(occurrence.instance_id, now)
    return bool(won)


def record_occurrences(rows: Sequence[Occurrence]) -> None:
    """Write occurrences as they are born: due, or ended where their time was over already.

    One that is there already stays as it is: ten schedulers may race on a slot.
    """
    Occurrence.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1000)


def look_at_occurrences(job: Job, now: datetime) -> None:
    """Let the tick look at the occurrences a backup's start or end is of interest to, at once.

    That is its own one, and those that wait until the instance is free.
    """
    if job.operation == Operation.BACKUP:
        waiting = Occurrence.objects.filter(instance=job.instance_id, next_look_at__gt=now)
        waiting.update(next_look_at=now)


def look_again(instance_id: int, now: datetime) -> None:
    """Have a tick judge at once whether the instance is still protected."""
    InstanceProtection.objects.filter(instance=instance_id).update(next_look_at=now)
