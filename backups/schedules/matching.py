"""Which planned run does an observed backup belong to?

An observed job is matched to the open occurrence of an observed schedule of its instance and
kind whose window contains its start; of several, the nearest. From then on the tick follows the
job like a managed one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from backups.models import Job, Occurrence
from backups.models.catalog import Origin
from backups.states import (
    AUTO,
    OPEN_OCCURRENCE_STATUSES,
    BackupKind,
    OccurrenceStatus,
    Operation,
    WaitReason,
)
from backups.transitions.occurrences import move_occurrence

# Clocks differ, and a cron line may be moved by a few minutes.
EARLY = timedelta(minutes=30)
# No run was known; a later reading of the history may show one.
UNSEEN = frozenset({WaitReason.NOTHING_SEEN, WaitReason.HISTORY_UNKNOWN})


def match_jobs(jobs: Sequence[Job], now: datetime) -> int:
    """Match observed jobs to occurrences, and let the tick recheck those matched before.

    Return how many occurrences were matched. Call it for every observed job that is new or has
    changed; calling it twice changes nothing.
    """
    matched = [job.pk for job in jobs if job.occurrence_id is not None]
    Occurrence.objects.filter(job__in=matched, next_check_at__gt=now).update(next_check_at=now)
    new = [job for job in jobs if job.occurrence_id is None]
    observed = Occurrence.objects.filter(
        schedule__origin=Origin.OBSERVED, instance__in={job.instance_id for job in new}
    ).select_related("schedule", "job")
    waiting = observed.filter(next_check_at__isnull=False, status__in=OPEN_OCCURRENCE_STATUSES)
    return _match(new, [*waiting, *_missed_unseen(observed, new)], now)


def _missed_unseen(observed: QuerySet[Occurrence], jobs: Sequence[Job]) -> QuerySet[Occurrence]:
    """Return those marked as missed that a late row may disprove: some tools write at the end."""
    began = [job.started_at for job in jobs if job.started_at is not None]
    if not began:
        return observed.none()
    return observed.filter(
        status=OccurrenceStatus.MISSED,
        reason__in=UNSEEN,
        due_at__lte=max(began) + EARLY,
        missed_after__gt=min(began),
    )


def match_occurrences(occurrences: Sequence[Occurrence], now: datetime) -> int:
    """Match open occurrences to jobs that were read before the occurrences were planned."""
    unmatched = [occurrence for occurrence in occurrences if _wants(occurrence)]
    if not unmatched:
        return 0
    free = Job.objects.filter(
        origin=Origin.OBSERVED,
        operation=Operation.BACKUP,
        occurrence=None,
        instance__in={due.instance_id for due in unmatched},
        started_at__gte=min(due.due_at for due in unmatched) - EARLY,
        started_at__lt=max(due.missed_after for due in unmatched),
    )
    return _match(free.order_by("started_at", "id"), unmatched, now)


def _match(jobs: Iterable[Job], waiting: Sequence[Occurrence], now: datetime) -> int:
    count = 0
    for job in sorted(jobs, key=lambda candidate: (candidate.started_at or now, candidate.pk)):
        fitting = [
            occurrence for occurrence in waiting if _wants(occurrence) and _fits(job, occurrence)
        ]
        if fitting:
            started_at = job.started_at or now
            nearest = min(fitting, key=lambda candidate: abs(candidate.due_at - started_at))
            count += _tie(nearest, job, now)
    return count


def _wants(occurrence: Occurrence) -> bool:
    """Whether no run of it is known, or the known one failed."""
    due = occurrence.status == OccurrenceStatus.DUE
    if occurrence.status == OccurrenceStatus.MISSED:
        return occurrence.reason in UNSEEN
    return due and (occurrence.job is None or occurrence.retry_at is not None)


def _fits(job: Job, occurrence: Occurrence) -> bool:
    return (
        job.started_at is not None
        and job.instance_id == occurrence.instance_id
        and job.kind in ("", *_kinds_of(occurrence))
        and occurrence.due_at - EARLY <= job.started_at < occurrence.missed_after
    )


def _kinds_of(occurrence: Occurrence) -> tuple[str, ...]:
    if occurrence.kind == AUTO:
        return (BackupKind.FULL, BackupKind.INCREMENTAL)
    return (occurrence.kind,)


def _tie(occurrence: Occurrence, job: Job, now: datetime) -> bool:
    with transaction.atomic():
        if not Job.objects.filter(pk=job.pk, occurrence=None).update(occurrence=occurrence):
            return False
        won = move_occurrence(
            occurrence,
            OccurrenceStatus.DUE,
            now=now,
            job=job,
            attempts=occurrence.attempts + 1,
            retry_at=None,
            ended_at=None,
            next_check_at=now,
        )
        if not won:
            Job.objects.filter(pk=job.pk).update(occurrence=None)
    job.occurrence = occurrence if won else None
    return won
