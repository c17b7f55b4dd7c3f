"""How is a run that outlasts its window limited to a rate?

Its job gets the limit that people set by hand: a running copy reads it again every few seconds.
"""

from __future__ import annotations

from datetime import datetime

from backups.jobs.pace import lower_limit
from backups.models import Job, JobLogLine, Occurrence
from backups.models.job import LogLevel
from backups.transitions.jobs import record_note
from backups.units import format_bytes


def slow_down(occurrence: Occurrence, job: Job, now: datetime) -> str:
    """Limit a running job as its schedule says; return what was done, blank if nothing was.

    Nothing is done once the copy has ended. Part of the caller's transaction.
    """
    schedule = occurrence.schedule
    limit = lower_limit(job, schedule.slow_bytes_per_s)
    if limit is None:
        return ""
    stays = "it stays " if limit < schedule.slow_bytes_per_s else ""
    what = f"{stays}limited to {format_bytes(limit)}/s"
    words = f"window of {schedule.name} ended at {occurrence.missed_after:%Y-%m-%d %H:%M}Z: {what}"
    record_note(job, f"schedule {schedule.name}", words)
    JobLogLine.objects.create(
        job=job, logged_at=now, level=LogLevel.WARNING, source="pace", text=words
    )
    return what
