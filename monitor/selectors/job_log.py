"""Which lines of a job's log are shown? A window, never the whole log."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.http import urlencode

from backups.models import Job, JobLogLine
from backups.models.job import LogLevel

LINES_SHOWN = 50
# The levels of a filter: one level and all above.
LEVELS = {
    "": tuple(LogLevel.values),
    "warning": (LogLevel.WARNING.value, LogLevel.ERROR.value),
    "error": (LogLevel.ERROR.value,),
}


@dataclass(frozen=True, slots=True)
class LogFilter:
    """The filter of log lines; blank: all."""

    level: str = ""
    words: str = ""

    @property
    def query(self) -> str:
        """The filter as a query string."""
        values = {"level": self.level, "q": self.words}
        return urlencode({name: value for name, value in values.items() if value})


ALL_LINES = LogFilter()


def read_filter(query: QueryDict) -> LogFilter:
    """Read the filter of a query string; an unknown level means all levels."""
    level = query.get("level", "")
    return LogFilter(level if level in LEVELS else "", query.get("q", "").strip()[:200])


@dataclass(frozen=True, slots=True)
class LogWindow:
    """Consecutive log lines, and their position in the log."""

    lines: list[JobLogLine]
    # Whether earlier lines exist.
    more_before: bool
    # Later lines are requested from this id.
    last_id: int
    # Whether more lines may follow.
    open: bool


def newest_lines(job: Job, log_filter: LogFilter = ALL_LINES) -> LogWindow:
    """Return the end of the log."""
    return _ending_with(job, None, log_filter)


def lines_before(job: Job, line_id: int, log_filter: LogFilter = ALL_LINES) -> LogWindow:
    """Return the lines right before one."""
    return _ending_with(job, line_id, log_filter)


def lines_after(job: Job, line_id: int, log_filter: LogFilter = ALL_LINES) -> LogWindow:
    """Return the lines after one."""
    lines = list(_lines(job, log_filter).filter(pk__gt=line_id).order_by("id")[:LINES_SHOWN])
    last_id = lines[-1].pk if lines else line_id
    # The last lines may be written after the page has shown that the job ended.
    return LogWindow(lines, False, last_id, job.active or bool(lines))


def _ending_with(job: Job, before: int | None, log_filter: LogFilter) -> LogWindow:
    lines = _lines(job, log_filter)
    if before is not None:
        lines = lines.filter(pk__lt=before)
    # One more than shown, to know whether there are more.
    newest = list(lines.order_by("-id")[: LINES_SHOWN + 1])
    shown = newest[:LINES_SHOWN][::-1]
    last_id = shown[-1].pk if shown else 0
    return LogWindow(shown, len(newest) > LINES_SHOWN, last_id, job.active)


def _lines(job: Job, log_filter: LogFilter) -> QuerySet[JobLogLine]:
    lines = JobLogLine.objects.filter(job=job)
    if log_filter.level:
        lines = lines.filter(level__in=LEVELS[log_filter.level])
    if log_filter.words:
        lines = lines.filter(text__icontains=log_filter.words)
    return lines
