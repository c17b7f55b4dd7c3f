"""What is the progress of a job?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.models import Job


@dataclass(frozen=True, slots=True)
class Progress:
    """The figures of a job at one moment; None is unknown."""

    percent: int | None
    run_time: timedelta | None
    time_left: timedelta | None


def progress_of(job: Job, now: datetime) -> Progress:
    return Progress(percent_of(job), job.run_time(now), job.time_left())


def percent_of(job: Job) -> int | None:
    """Return the percentage done, at most 99 while the job is active: totals are estimates."""
    if job.bytes_total is None:
        return None
    if job.bytes_total == 0:
        return 0
    return min(99 if job.active else 100, job.bytes_done * 100 // job.bytes_total)
