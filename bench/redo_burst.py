"""Is a paced backup lost when a small redo log is written over while it is taken?

The writers begin when the backup has connected, and write as fast as they can until it has ended:
several times the length of the log.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from backups.programs.private_server import PrivateServer
from bench.database import SCHEMA, Database, await_idle
from bench.kindness_sections import FULL_SPEED, LISTENING
from bench.kindness_targets import FULL, PACED
from bench.measure import MIB, BenchError
from bench.mooring import Mooring
from bench.rounds import Rounds, say

# MySQL's least is 8 MiB; MariaDB stops writers at about three quarters of it.
LOG_MIB = 16
POLL_SECONDS = 0.02
ROWS_AT_ONCE = 2000


@dataclass(slots=True)
class RedoBurst(Rounds):
    """So many runs as there are rounds."""

    log_bytes: int = LOG_MIB * MIB

    def play_bursts(self, section: str, database: Database) -> None:
        """At full speed too: what that loses as well is not lost to the pace."""
        self.play(
            section,
            {
                FULL: lambda: self._one(database, FULL_SPEED),
                PACED: lambda: self._one(database, LISTENING),
            },
        )

    def _one(self, database: Database, variables: Mapping[str, str]) -> Mapping[str, float]:
        await_idle(self.server)
        began = time.perf_counter()
        with Burst(self.server, database) as burst:
            noted = take_or_lose(self.mooring, database, variables)
            wall_s = time.perf_counter() - began
        if not burst.written_bytes:
            raise BenchError("nothing was written while the backup was taken")
        return {
            **noted,
            "wall_s": wall_s,
            "redo_logs_written": burst.written_bytes / self.log_bytes,
        }


def take_or_lose(
    mooring: Mooring, database: Database, variables: Mapping[str, str]
) -> Mapping[str, float]:
    """Return whether the backup was lost, and what it noted of the redo log."""
    try:
        taken = mooring.take(database, variables=variables)
    except BenchError as exc:
        say(f"lost: {reason_of(str(exc))}")
        return {"lost": 1.0}
    facts = mooring.pace(taken.label)
    mooring.purge(taken.label)
    return {
        "lost": 0.0,
        "redo_lifted": float(facts.get("redo_lifted", 0)),
        "worst_share": float(facts.get("redo_worst_share", 0) or 0),
        "limited_s": float(facts.get("limited_s", 0)),
    }


def reason_of(text: str) -> str:
    """Return the error of a command that answered with JSON, or all that it wrote."""
    return next((line.strip() for line in text.splitlines() if '"error": ' in line), text)


class Burst:
    """Writes from when the account of the backup connects until the context is left."""

    def __init__(self, server: PrivateServer, database: Database) -> None:
        self.written_bytes = 0
        self._server, self._rows = server, database.rows_per_table
        self._user = database.login.user
        self._over = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Burst:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._write()
        except Exception as exc:
            self._failure = exc

    def _write(self) -> None:
        with self._server.connect(database=SCHEMA) as connection, connection.cursor() as cursor:

            def ask(sql: str) -> int:
                cursor.execute(sql)
                (row,) = cursor.fetchall()
                return int(row[-1])

            if not self._await_backup(ask):
                return
            before = ask("SHOW GLOBAL STATUS LIKE 'Innodb_os_log_written'")
            at = 1
            while not self._over.is_set():
                # The server's own tables and literals of ours.
                cursor.execute(
                    f"UPDATE sbtest1 SET c = REVERSE(c), k = k + 1 "
                    f"WHERE id BETWEEN {at} AND {at + ROWS_AT_ONCE}"
                )
                at = at + ROWS_AT_ONCE if at + ROWS_AT_ONCE < self._rows else 1
            self.written_bytes = ask("SHOW GLOBAL STATUS LIKE 'Innodb_os_log_written'") - before

    def _await_backup(self, ask: Callable[[str], int]) -> bool:
        sql = f"SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{self._user}'"
        while not self._over.wait(POLL_SECONDS):
            if ask(sql):
                return True
        return False
