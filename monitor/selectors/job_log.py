"""What did a job say? A window on its log, never all of it."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import QueryDict
from django.utils.http import urlencode

from backups.models import Job, JobLogLine
from backups.models.job import LogLevel

LINES_SHOWN = 50
# Which lines a reader wants: a level and all that is worse.
LEVELS = {
    "": tuple(LogLevel.values),
    "warning": (LogLevel.WARNING.value, LogLevel.ERROR.value),
    "error": (LogLevel.ERROR.value,),
}


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which lines are asked for; blank is every one."""

    level: str = ""
    words: str = ""

    @property
    def query(self) -> str:
        """The rest of an address that asks for the same."""
        asked = {"level": self.level, "q": self.words}
        return urlencode({name: word for name, word in asked.items() if word})


EVERY_LINE = LogFilter()


def read_filter(query: QueryDict) -> LogFilter:
    """Read what somebody asked for; a level nobody knows is every level."""
    level = query.get("level", "")
    return LogFilter(level if level in LEVELS else "", query.get("q", "").strip()[:200])


@dataclass(frozen=True, slots=True)
class LogWindow:
    """Some lines in the order they were said, and where they stand in the log."""

    lines: list[JobLogLine]
    # Whether lines before the first one exist that are not shown here.
    more_before: bool
    # Query for what came after this one.
    last_id: int
    # Whether more may come.
    open: bool


def newest_lines(job: Job, wanted: LogFilter = EVERY_LINE) -> LogWindow:
    """Return the end of the log."""
    return _ending_with(job, None, wanted)


def lines_before(job: Job, line_id: int, wanted: LogFilter = EVERY_LINE) -> LogWindow:
    """Return the lines that stand right before one."""
    return _ending_with(job, line_id, wanted)


def lines_after(job: Job, line_id: int, wanted: LogFilter = EVERY_LINE) -> LogWindow:
    """Return what was said since."""
    lines = list(_lines(job, wanted).filter(pk__gt=line_id).order_by("id")[:LINES_SHOWN])
    last_id = lines[-1].pk if lines else line_id
    # The last lines of a job may be written after the answer that shows it ended.
    return LogWindow(lines, False, last_id, job.active or bool(lines))


def _ending_with(job: Job, before: int | None, wanted: LogFilter) -> LogWindow:
    lines = _lines(job, wanted)
    if before is not None:
        lines = lines.filter(pk__lt=before)
    # One more than is shown says whether there is more.
    newest = list(lines.order_by("-id")[: LINES_SHOWN + 1])
    shown = newest[:LINES_SHOWN][::-1]
    last_id = shown[-1].pk if shown else 0
    return LogWindow(shown, len(newest) > LINES_SHOWN, last_id, job.active)


def _lines(job: Job, wanted: LogFilter) -> QuerySet[JobLogLine]:
    lines = JobLogLine.objects.filter(job=job)
    if wanted.level:
        lines = lines.filter(level__in=LEVELS[wanted.level])
    if wanted.words:
        lines = lines.filter(text__icontains=wanted.words)
    return lines
