"""How far is a job?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.models import Job


@dataclass(frozen=True, slots=True)
class Progress:
    """A job's own figures at one moment; None is unknown."""

    percent: int | None
    run_time: timedelta | None
    time_left: timedelta | None


def progress_of(job: Job, now: datetime) -> Progress:
    return Progress(percent_of(job), job.run_time(now), job.time_left())


def percent_of(job: Job) -> int | None:
    """Whole percent done. An estimate can be passed: it is 99 until the job says it is done."""
    if job.bytes_total is None:
        return None
    if job.bytes_total == 0:
        return 0
    return min(99 if job.active else 100, job.bytes_done * 100 // job.bytes_total)
