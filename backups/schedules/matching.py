"""Which planned run does a backup that somebody else took belong to?

An observed job meets the open occurrence of an observed schedule of its instance and kind
whose window holds its start; of several the nearest. The tick then follows the job as if it
were one of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from backups.models import Job, Occurrence
from backups.models.catalog import Origin
from backups.states import OPEN_OCCURRENCE_STATUSES, OccurrenceStatus, Operation, WaitReason
from backups.transitions.occurrences import move_occurrence

# Other clocks are not ours, and people move a cron line by a few minutes.
EARLY = timedelta(minutes=30)
# Nothing was known of a run; a later reading may know better.
UNSEEN = frozenset({WaitReason.NOTHING_SEEN, WaitReason.HISTORY_UNKNOWN})


def meet_occurrences(jobs: Sequence[Job], now: datetime) -> int:
    """Let observed jobs meet their occurrences, or tell those they met before that they moved.

    Return how many occurrences a job met for the first time. Call it for every observed job
    that was created or has changed; calling it twice changes nothing.
    """
    told = [job.pk for job in jobs if job.occurrence_id is not None]
    Occurrence.objects.filter(job__in=told, next_look_at__gt=now).update(next_look_at=now)
    new = [job for job in jobs if job.occurrence_id is None]
    of_these = Occurrence.objects.filter(
        schedule__origin=Origin.OBSERVED, instance__in={job.instance_id for job in new}
    ).select_related("schedule", "job")
    waiting = of_these.filter(next_look_at__isnull=False, status__in=OPEN_OCCURRENCE_STATUSES)
    return _meet(new, [*waiting, *_given_up(of_these, new)], now)


def _given_up(of_these: QuerySet[Occurrence], jobs: Sequence[Job]) -> QuerySet[Occurrence]:
    """Return those that are missed only as far as was known: some tools write when they end."""
    began = [job.started_at for job in jobs if job.started_at is not None]
    if not began:
        return of_these.none()
    return of_these.filter(
        status=OccurrenceStatus.MISSED,
        reason__in=UNSEEN,
        due_at__lte=max(began) + EARLY,
        missed_after__gt=min(began),
    )


def meet_open(occurrences: Sequence[Occurrence], now: datetime) -> int:
    """Let open occurrences meet jobs that were read before they were born."""
    wanting = [each for each in occurrences if _wants(each)]
    if not wanting:
        return 0
    unmet = Job.objects.filter(
        origin=Origin.OBSERVED,
        operation=Operation.BACKUP,
        occurrence=None,
        instance__in={each.instance_id for each in wanting},
        started_at__gte=min(each.due_at for each in wanting) - EARLY,
        started_at__lt=max(each.missed_after for each in wanting),
    )
    return _meet(unmet.order_by("started_at", "id"), wanting, now)


def _meet(jobs: Iterable[Job], waiting: Sequence[Occurrence], now: datetime) -> int:
    met = 0
    for job in sorted(jobs, key=lambda each: (each.started_at or now, each.pk)):
        fitting = [each for each in waiting if _wants(each) and _fits(job, each)]
        if fitting:
            started_at = job.started_at or now
            nearest = min(fitting, key=lambda each: abs(each.due_at - started_at))
            met += _tie(nearest, job, now)
    return met


def _wants(occurrence: Occurrence) -> bool:
    """Whether no run is known, or the one that is has failed."""
    due = occurrence.status == OccurrenceStatus.DUE
    if occurrence.status == OccurrenceStatus.MISSED:
        return occurrence.reason in UNSEEN
    return due and (occurrence.job is None or occurrence.retry_at is not None)


def _fits(job: Job, occurrence: Occurrence) -> bool:
    return (
        job.started_at is not None
        and job.instance_id == occurrence.instance_id
        and job.kind in ("", occurrence.schedule.kind)
        and occurrence.due_at - EARLY <= job.started_at < occurrence.missed_after
    )


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
            next_look_at=now,
        )
        if not won:
            Job.objects.filter(pk=job.pk).update(occurrence=None)
    job.occurrence = occurrence if won else None
    return won
