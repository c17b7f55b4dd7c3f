"""What did a job say? A window on its log, never all of it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from backups.models import Job, JobLogLine

LINES_SHOWN = 150


@dataclass(frozen=True, slots=True)
class LogWindow:
    """Some lines in the order they were said, and where they stand in the log."""

    lines: list[JobLogLine]
    # Whether lines before the first one exist that are not shown here.
    more_before: bool
    # Ask for what came after this one.
    last_id: int
    # Whether more may come.
    open: bool


def newest_lines(job: Job) -> LogWindow:
    """Return the end of the log."""
    return _ending_with(job, None)


def lines_before(job: Job, line_id: int) -> LogWindow:
    """Return the lines that stand right before one."""
    return _ending_with(job, line_id)


def lines_after(job: Job, line_id: int) -> LogWindow:
    """Return what was said since."""
    lines = list(_lines(job).filter(pk__gt=line_id).order_by("id")[:LINES_SHOWN])
    last_id = lines[-1].pk if lines else line_id
    # The last lines of a job may be written after the answer that shows it ended.
    return LogWindow(lines, False, last_id, job.active or bool(lines))


def _ending_with(job: Job, before: int | None) -> LogWindow:
    lines = _lines(job)
    if before is not None:
        lines = lines.filter(pk__lt=before)
    # One more than is shown says whether there is more.
    newest = list(lines.order_by("-id")[: LINES_SHOWN + 1])
    shown = newest[:LINES_SHOWN][::-1]
    last_id = shown[-1].pk if shown else 0
    return LogWindow(shown, len(newest) > LINES_SHOWN, last_id, job.active)


def _lines(job: Job) -> QuerySet[JobLogLine]:
    return JobLogLine.objects.filter(job=job)
