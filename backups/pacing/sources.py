"""From what are the times of an instance's statements measured? Cheap queries, and no tables.

MariaDB lists running statements with their age in ms to accounts with PROCESS, which a backup needs
anyway. MySQL counts finished statements in a histogram, which takes the privilege to read one
table; without it there are only the numbers of running and of finished statements.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from backups.pacing.observation import Measure
from backups.pacing.quantiles import (
    NOTHING,
    Lengths,
    SeenStatements,
    Statement,
    bucket,
    histogram_between,
)

HISTOGRAM_TABLE = "performance_schema.events_statements_histogram_global"
# Sessions of other accounts: what the backup's own account runs is not what is protected.
_RUNNING = """
    SELECT ID AS id, QUERY_ID AS number, TIME_MS AS age_ms FROM information_schema.PROCESSLIST
    WHERE COMMAND IN ('Query', 'Execute') AND ID <> CONNECTION_ID()
      AND USER NOT IN (SUBSTRING_INDEX(USER(), '@', 1), 'system user')
"""
_HISTOGRAM = """
    SELECT BUCKET_TIMER_HIGH / 1000000000 AS end_ms, COUNT_BUCKET AS count
    FROM performance_schema.events_statements_histogram_global WHERE COUNT_BUCKET > 0
"""
_THREADS = "SHOW GLOBAL STATUS LIKE 'Threads_running'"

# Any: a column may hold whatever the server keeps in it.
Rows = Sequence[Mapping[str, Any]]
Ask = Callable[[str], Rows]


class TimeSource(Protocol):
    """One way to measure."""

    measure: ClassVar[Measure]
    # From what it measures, in words.
    words: ClassVar[str]

    def look(self) -> int:
        """Take a look; return how many statements of others are running."""
        ...

    def lengths(self, ended: float, seconds: float, running: float, gap_ms: float) -> Lengths:
        """End an interval, in which so many statements ended and so many ran at a time."""
        ...

    def end_baseline(self) -> None:
        """Leave out what has been running all the time."""
        ...


class RunningStatements:
    """The list of running statements with their ages."""

    measure: ClassVar[Measure] = Measure.P99
    words: ClassVar[str] = "ages of running statements"

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._seen = self._last = SeenStatements()

    def look(self) -> int:
        return self._seen.look(
            [
                Statement((int(row["id"]), int(row["number"])), float(row["age_ms"]))
                for row in self._ask(_RUNNING)
            ]
        )

    def lengths(self, ended: float, seconds: float, running: float, gap_ms: float) -> Lengths:
        self._last, self._seen = self._seen, SeenStatements(self._seen.ignored)
        return self._last.lengths(ended, gap_ms)

    def end_baseline(self) -> None:
        self._seen.ignored |= self._last.older(than_ms=1000.0)


class StatementHistogram:
    """MySQL's histogram of finished statements."""

    measure: ClassVar[Measure] = Measure.P99
    words: ClassVar[str] = "histogram of statements"

    def __init__(self, ask: Ask, own_sessions: int) -> None:
        self._ask, self._own = ask, own_sessions
        self._counts = self._read()

    def look(self) -> int:
        return running_threads(self._ask, self._own)

    def lengths(self, ended: float, seconds: float, running: float, gap_ms: float) -> Lengths:
        before, self._counts = self._counts, self._read()
        return histogram_between(before, self._counts)

    def end_baseline(self) -> None:
        """Nothing to do: what has not ended is not in it."""

    def _read(self) -> Mapping[float, int]:
        return {float(row["end_ms"]): int(row["count"]) for row in self._ask(_HISTOGRAM)}


class MeanTime:
    """How many statements run at a time, divided by how many end in a second: their mean time."""

    measure: ClassVar[Measure] = Measure.MEAN
    words: ClassVar[str] = "running and finished statements"

    def __init__(self, ask: Ask, own_sessions: int) -> None:
        self._ask, self._own = ask, own_sessions

    def look(self) -> int:
        return running_threads(self._ask, self._own)

    def lengths(self, ended: float, seconds: float, running: float, gap_ms: float) -> Lengths:
        if not running:
            return NOTHING
        # Where none ended, they have been waiting for all of the interval.
        count = max(ended, running)
        return Lengths({bucket(running * seconds * 1000 / count): count}, count)

    def end_baseline(self) -> None:
        """Nothing to do: it does not see single statements."""


def running_threads(ask: Ask, own_sessions: int) -> int:
    """Return how many threads run statements, besides this one and the copy's own."""
    return max(0, int(ask(_THREADS)[0]["Value"]) - 1 - own_sessions)
