"""What goes on in the fleet, or in a group: what runs, how the last day went, what stands out?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, QuerySet

from backups.models import Instance, InstanceGroup, InstanceProtection, Job, Occurrence
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
    """A job that runs now, and how far it is."""

    job: Job
    progress: Progress


@dataclass(frozen=True, slots=True)
class JobCount:
    """How many jobs ended so in the last day."""

    status: str
    count: int
    word: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The live figures beside the table."""

    running: list[RunningJob]
    running_count: int
    outcomes: list[JobCount]
    failures: list[Job]
    longest_runs: list[InstanceProtection]
    longest_locks: list[InstanceProtection]

    @property
    def ended(self) -> int:
        return sum(each.count for each in self.outcomes)


def load_overview(now: datetime, group: InstanceGroup | None = None) -> Overview:
    """Query once for each figure, whatever the size of the fleet."""
    jobs, newest = Job.objects.all(), InstanceProtection.objects.filter(newest_backup__isnull=False)
    if group:
        jobs = jobs.filter(instance__in=_members(group))
        newest = newest.filter(instance__in=_members(group))
    newest = newest.select_related("instance", "newest_backup")
    running = jobs.filter(status=JobStatus.RUNNING).select_related("instance")
    return Overview(
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


def _outcomes(jobs: QuerySet[Job], now: datetime, group: InstanceGroup | None) -> list[JobCount]:
    ended = jobs.filter(status__in=TERMINAL_JOB_STATUSES, ended_at__gte=now - DAY)
    rows = ended.order_by().values_list("status").annotate(count=Count("pk"))
    counts = {status: count for status, count in rows}
    missed = Occurrence.objects.filter(status=OccurrenceStatus.MISSED, due_at__gte=now - DAY)
    if group:
        missed = missed.filter(instance__in=_members(group))
    counts[OccurrenceStatus.MISSED.value] = missed.count()
    order = ("succeeded", "failed", "lost", "missed", "cancelled")
    return [
        JobCount(status, counts.get(status, 0), status)
        for status in order
        if counts.get(status) or status in ("succeeded", "failed", "missed")
    ]


def _failures(jobs: QuerySet[Job], now: datetime) -> list[Job]:
    bad = jobs.filter(status__in=(JobStatus.FAILED, JobStatus.LOST), ended_at__gte=now - WEEK)
    return list(bad.select_related("instance").order_by("-ended_at")[:SHOWN])
