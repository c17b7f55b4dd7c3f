"""Who may write the status of an occurrence? Only this module."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Exists, OuterRef

from backups.exceptions import IllegalTransition
from backups.models import BackupSchedule, InstanceProtection, Job, Occurrence
from backups.states import (
    OCCURRENCE_MOVES,
    PROOFS,
    TERMINAL_OCCURRENCE_STATUSES,
    OccurrenceStatus,
    Operation,
)

_FOLLOWERS = BackupSchedule.objects.filter(enabled=True, after__isnull=False)


def move_occurrence(
    occurrence: Occurrence, to: OccurrenceStatus, *, now: datetime, **values: object
) -> bool:
    """Move an occurrence, or update its columns if ``to`` is its present status.

    Return False, and change nothing, if another process has moved it or assigned a job.
    """
    old = OccurrenceStatus(occurrence.status)
    if to is not old:
        if to not in OCCURRENCE_MOVES[old]:
            raise IllegalTransition(f"{occurrence}: {old} to {to}")
        values |= {"status": to, "status_since": now}
    marks: dict[str, Exists] = {}
    if to in TERMINAL_OCCURRENCE_STATUSES:
        values = {"ended_at": now, **values, "next_check_at": None, "retry_at": None}
        marks = {"unfollowed": Exists(_FOLLOWERS.filter(after=OuterRef("schedule")))}
    same = Occurrence.objects.filter(pk=occurrence.pk, status=old, job=occurrence.job_id)
    won = same.update(**values, **marks)
    if won:
        for name, value in values.items():
            setattr(occurrence, name, value)
        if to in TERMINAL_OCCURRENCE_STATUSES:
            recheck_protection(occurrence.instance_id, now)
    return bool(won)


def record_occurrences(rows: Sequence[Occurrence]) -> None:
    """Write new occurrences: due, or already ended if their window has passed.

    An existing one is left unchanged: several schedulers may race for one due time.
    """
    if any(row.status in TERMINAL_OCCURRENCE_STATUSES for row in rows):
        followed = set(_FOLLOWERS.values_list("after", flat=True))
        for row in rows:
            over = row.status in TERMINAL_OCCURRENCE_STATUSES
            row.unfollowed = over and row.schedule_id in followed
    Occurrence.objects.bulk_create(rows, ignore_conflicts=True, batch_size=1000)


def forget_followed(occurrences: Sequence[Occurrence]) -> None:
    """Remove the mark of ended runs, in the transaction that wrote what follows them."""
    marked = Occurrence.objects.filter(pk__in=[run.pk for run in occurrences])
    marked.update(unfollowed=False)


def recheck_occurrences_of(job: Job, now: datetime) -> None:
    """Let the next tick check the occurrences that the start or end of a job affects.

    These are its own, and those that wait for the instance.
    """
    if job.operation == Operation.BACKUP or job.operation in PROOFS:
        waiting = Occurrence.objects.filter(instance=job.instance_id, next_check_at__gt=now)
        waiting.update(next_check_at=now)


def recheck_protection(instance_id: int, now: datetime) -> None:
    """Let the next tick check the instance's protection."""
    InstanceProtection.objects.filter(instance=instance_id).update(next_check_at=now)
