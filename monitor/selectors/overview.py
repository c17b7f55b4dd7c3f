"""What is the activity of the fleet or a group: running jobs, results, extremes?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, QuerySet

from backups.models import Instance, InstanceGroup, InstanceProtection, Job, Occurrence
from backups.models.job import WITHOUT_RESULT
from backups.states import (
    TERMINAL_JOB_STATUSES,
    JobStatus,
    OccurrenceStatus,
)
from monitor.selectors.progress import Progress, progress_of

DAY, WEEK = timedelta(days=1), timedelta(days=7)
SHOWN = 5


@dataclass(frozen=True, slots=True)
class RunningJob:
    """A running job and its progress."""

    job: Job
    progress: Progress


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """How many jobs ended with a status in the last day."""

    status: str
    count: int
    word: str


@dataclass(frozen=True, slots=True)
class FleetOverview:
    """The live figures next to the table."""

    running: list[RunningJob]
    running_count: int
    outcomes: list[OutcomeCount]
    failures: list[Job]
    longest_runs: list[InstanceProtection]
    longest_locks: list[InstanceProtection]

    @property
    def ended(self) -> int:
        return sum(outcome.count for outcome in self.outcomes)


def load_overview(now: datetime, group: InstanceGroup | None = None) -> FleetOverview:
    """Load each figure with one query, for any size of fleet."""
    jobs, newest = Job.objects.all(), InstanceProtection.objects.filter(newest_backup__isnull=False)
    if group:
        jobs = jobs.filter(instance__in=_members(group))
        newest = newest.filter(instance__in=_members(group))
    newest = newest.select_related("instance", "newest_backup")
    running = jobs.filter(status=JobStatus.RUNNING).select_related("instance")
    return FleetOverview(
        running=[RunningJob(job, progress_of(job, now)) for job in running.order_by("id")[:SHOWN]],
        running_count=running.count(),
        outcomes=_outcomes(jobs, now, group),
        failures=_failures(jobs, now),
        longest_runs=list(newest.order_by(F("run_time").desc())[:SHOWN]),
        longest_locks=list(
            newest.filter(lock_time__isnull=False).order_by(F("lock_time").desc())[:SHOWN]
        ),
    )


def _members(group: InstanceGroup) -> QuerySet[Instance]:
    return Instance.objects.filter(groups=group)


def _outcomes(
    jobs: QuerySet[Job], now: datetime, group: InstanceGroup | None
) -> list[OutcomeCount]:
    ended = jobs.filter(status__in=TERMINAL_JOB_STATUSES, ended_at__gte=now - DAY)
    rows = ended.order_by().values_list("status").annotate(count=Count("pk"))
    counts = {status: count for status, count in rows}
    missed = Occurrence.objects.filter(status=OccurrenceStatus.MISSED, due_at__gte=now - DAY)
    if group:
        missed = missed.filter(instance__in=_members(group))
    counts[OccurrenceStatus.MISSED.value] = missed.count()
    order = ("succeeded", "failed", "refused", "lost", "missed", "cancelled")
    return [
        OutcomeCount(status, counts.get(status, 0), status)
        for status in order
        if counts.get(status) or status in ("succeeded", "failed", "missed")
    ]


def _failures(jobs: QuerySet[Job], now: datetime) -> list[Job]:
    bad = jobs.filter(
        status__in=(JobStatus.FAILED, JobStatus.LOST, JobStatus.REFUSED), ended_at__gte=now - WEEK
    ).exclude(WITHOUT_RESULT)
    return list(bad.select_related("instance").order_by("-ended_at")[:SHOWN])
