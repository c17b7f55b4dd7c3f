"""How is a run that outlasts its window limited to a rate?

Its job gets the limit that people set by hand: a running copy reads it again every few seconds.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from backups.models import Job, JobLogLine, JobStage, Occurrence
from backups.models.job import LogLevel
from backups.states import TERMINAL_STAGE_STATUSES, JobStatus
from backups.transitions.jobs import record_note
from backups.units import format_bytes

# The stage that reads the instance; the others put no load on it.
COPY = "copy"


def choose_limit(by_hand: int | None, rate: int) -> int:
    """Return the limit in force from the end of the window on: the lower one. Pure.

    Without a limit by hand, or with 0, which is full speed, that is the schedule's.
    """
    return min(by_hand, rate) if by_hand else rate


def slow_down(occurrence: Occurrence, job: Job, now: datetime) -> str:
    """Limit a running job as its schedule says; return what was done, blank if nothing was.

    Nothing is done once the copy has ended. Part of the caller's transaction.
    """
    copied = JobStage.objects.filter(
        job=job, name=COPY, parent=None, status__in=TERMINAL_STAGE_STATUSES
    )
    if copied.exists():
        return ""
    schedule, rate = occurrence.schedule, occurrence.schedule.slow_bytes_per_s
    running = Job.objects.filter(pk=job.pk, status=JobStatus.RUNNING)
    # Compare-and-swap: a lower limit that somebody sets at the same moment stays.
    higher = Q(pace_limit=None) | Q(pace_limit=0) | Q(pace_limit__gt=rate)
    if running.filter(higher).update(pace_limit=rate):
        what = f"limited to {format_bytes(rate)}/s"
    elif (limit := running.values_list("pace_limit", flat=True).first()) is not None:
        what = f"it stays limited to {format_bytes(choose_limit(limit, rate))}/s"
    else:
        # It has just ended.
        return ""
    words = f"window of {schedule.name} ended at {occurrence.missed_after:%Y-%m-%d %H:%M}Z: {what}"
    record_note(job, f"schedule {schedule.name}", words)
    JobLogLine.objects.create(
        job=job, logged_at=now, level=LogLevel.WARNING, source="pace", text=words
    )
    return what
