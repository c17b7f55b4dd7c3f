"""What does an instance show of itself, by which queries, over one connection?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.pacing.observation import Observation, RedoSeen
from backups.pacing.sources import (
    HISTOGRAM_TABLE,
    MeanTime,
    Rows,
    RunningStatements,
    StatementHistogram,
    TimeSource,
)

# The server ends the session of a process that was suspended.
IDLE_SECONDS = 6
_STATUS = """
    SHOW GLOBAL STATUS WHERE Variable_name IN ('Questions', 'Innodb_lsn_current',
        'Innodb_lsn_last_checkpoint', 'Innodb_redo_log_current_lsn', 'Innodb_os_log_written')
"""
_VARIABLES = """
    SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'version_comment',
        'innodb_redo_log_capacity', 'innodb_log_file_size', 'innodb_log_files_in_group')
"""
_REPLICA = ("SHOW ALL SLAVES STATUS", "SHOW REPLICA STATUS", "SHOW SLAVE STATUS")
_LAG_COLUMNS = ("Seconds_Behind_Source", "Seconds_Behind_Master")
# By preference: MariaDB's, MySQL's since 8.0.30, and that of older ones.
_WRITTEN = ("Innodb_lsn_current", "Innodb_redo_log_current_lsn", "Innodb_os_log_written")
_GRANT = f"GRANT SELECT ON {HISTOGRAM_TABLE} TO the backup's account lets it measure p99"


class Server:
    """An instance as its statements, its redo log and its replication show it."""

    def __init__(self, connection: Connection[DictCursor]) -> None:
        self._connection = connection
        # Statements of this connection since the last status, with the query for the next one.
        self._own_questions = 0
        self.ask(f"SET SESSION wait_timeout = {IDLE_SECONDS}")
        facts = {row["Variable_name"].lower(): row["Value"] for row in self.ask(_VARIABLES)}
        self._capacity = _capacity_of(facts)
        self._lag_query = next((query for query in _REPLICA if self._may(query)), "")
        # What cannot be measured, and why; blank: nothing is missing.
        self.missing = ""
        self.times = self._choose(facts)
        self._seen_at = 0.0
        self._status, self._own_questions = self._fetch_status(), 1
        self._running = self._looks = 0

    def ask(self, query: str) -> Rows:
        """Run one query; errors are the client library's."""
        self._own_questions += 1
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return list(cursor.fetchall())

    def look(self) -> int:
        """Take a look at what is running; return how many statements."""
        running = self.times.look()
        self._running += running
        self._looks += 1
        return running

    def look_at_redo(self) -> RedoSeen | None:
        """Return the redo log as it is at this moment: one number is read."""
        if name := self._written_name():
            rows = self.ask(f"SHOW GLOBAL STATUS LIKE '{name}'")
            self._status[name] = int(rows[0]["Value"])
            self._seen_at = time.monotonic()
        return self.redo()

    def redo(self) -> RedoSeen | None:
        """Return the redo log as it was seen last."""
        name = self._written_name()
        if not name or not self._capacity:
            return None
        checkpoint = self._status.get("Innodb_lsn_last_checkpoint")
        return RedoSeen(self._status[name], checkpoint, self._capacity, self._seen_at)

    def end_interval(self, seconds: float) -> Observation:
        """Return what was seen in the ``seconds`` since the last call."""
        before, own = self._status, self._own_questions
        self._status, self._own_questions = self._fetch_status(), 1
        ended = max(0, self._status.get("Questions", 0) - before.get("Questions", 0) - own)
        running = self._running / self._looks if self._looks else 0.0
        gap_ms = seconds * 1000 / max(1, self._looks)
        lengths = self.times.lengths(ended, seconds, running, gap_ms)
        self._running = self._looks = 0
        lag = self._lag()
        return Observation(seconds, ended / seconds, running, lengths, lag, self.redo())

    # Any: variables of a server, by name.
    def _choose(self, facts: Mapping[str, Any]) -> TimeSource:
        named = f"{facts.get('version', '')} {facts.get('version_comment', '')}"
        if "mariadb" in named.lower():
            return RunningStatements(self.ask)
        with suppress(pymysql.err.Error):
            return StatementHistogram(self.ask)
        self.missing = f"only the mean time of statements is measured: {_GRANT}"
        return MeanTime(self.ask)

    def _may(self, query: str) -> bool:
        with suppress(pymysql.err.OperationalError, pymysql.err.ProgrammingError):
            self.ask(query)
            return True
        return False

    def _fetch_status(self) -> dict[str, int]:
        status = {row["Variable_name"]: int(row["Value"] or 0) for row in self.ask(_STATUS)}
        self._seen_at = time.monotonic()
        return status

    def _written_name(self) -> str:
        return next((name for name in _WRITTEN if name in self._status), "")

    def _lag(self) -> float | None:
        """Return how far it is behind the source it is furthest behind; None: unknown, or none."""
        if not self._lag_query:
            return None
        found = [
            row[name] for row in self.ask(self._lag_query) for name in _LAG_COLUMNS if name in row
        ]
        return max((float(lag) for lag in found if lag is not None), default=None)


# Any: variables of a server, by name.
def _capacity_of(facts: Mapping[str, Any]) -> int:
    """Return how much redo the server keeps before it overwrites it, in bytes."""
    if capacity := int(facts.get("innodb_redo_log_capacity") or 0):
        return capacity
    files = int(facts.get("innodb_log_files_in_group") or 1)
    return files * int(facts.get("innodb_log_file_size") or 0)
