"""How is an instance watched while it is copied? In a thread and over a connection of its own.

What it sees is left for the controller; if the instance answers no more, there is nothing new. A
query may hang as everything else on the instance does, so it is given up after seconds, and the
pauses between two connections grow: a server that hangs must not be filled with them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.pacing.observation import (
    ENGINE_QUESTIONS,
    IDLE_QUESTIONS_PER_S,
    IDLE_RUNNING,
    UNKNOWN,
    Baseline,
    Measure,
    Observation,
    RedoSeen,
    both,
)
from backups.pacing.server import Server

Connect = Callable[[], "Connection[DictCursor]"]

INTERVAL_SECONDS = 1.0
# While a copy finds its rate.
STARTING_SECONDS = 0.5
# Between two looks: where statements run, and where none did.
LOOK_SECONDS, IDLE_LOOK_SECONDS = 0.1, 0.25
# A look must not cost the instance more than this share of a core.
MOST_COST = 0.05
LONGEST_LOOK_PAUSE_SECONDS = 2.0
# Between two looks at the redo log of a server that takes longer to answer than they are apart.
LEAST_PAUSE_SECONDS = 0.02
# Before the copy: this long for a look at whether anything runs at all, and this long if so.
FIRST_SECONDS, BASELINE_SECONDS = 0.1, 1.0
# Twice, where fewer statements ended: their p99 would be that of a handful.
ENOUGH_STATEMENTS = 1000
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 120.0
# A query that hangs ends by then, and the thread with it.
JOIN_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The latest of the probe: its number, and what was seen; None: the instance gave no answer."""

    number: int = 0
    observation: Observation | None = None
    error: str = ""


class Probe:
    """Watches an instance until it is closed. Any thread may read what it saw."""

    def __init__(self, connect: Connect, *, watches_redo: bool = False) -> None:
        """``watches_redo``: the redo log is looked at as often as what is running."""
        self._connect, self._watches_redo = connect, watches_redo
        self.interval_seconds = STARTING_SECONDS
        self._end = threading.Event()
        self._known = threading.Event()
        self.latest = ProbeResult()
        self.baseline = UNKNOWN
        # The server as it was connected to first; None: it was not reached yet.
        self.server: Server | None = None
        # Its redo log as it was seen last, before the copy as well.
        self.redo: RedoSeen | None = None
        self._thread = threading.Thread(target=self._watch, name="pace-probe", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def knows_baseline(self) -> bool:
        """Whether the time before the copy is over: seen, or not to be seen."""
        return self._known.is_set()

    def close(self) -> None:
        """End the thread and the connection."""
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join(JOIN_SECONDS)

    def _watch(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._end.is_set():
            began = self.latest.number
            error = self._watch_connected()
            # The next connection may be to a server that was restarted.
            self._known.set()
            if self._end.is_set():
                break
            self.latest = ProbeResult(self.latest.number + 1, error=error)
            pause = FIRST_PAUSE_SECONDS if self.latest.number > began + 2 else pause
            self._end.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _watch_connected(self) -> str:
        """Watch over one connection; return why it ended."""
        try:
            connection = self._connect()
            try:
                self._watch_over(connection)
            finally:
                _close(connection)
        except Exception as exc:
            # Whatever a server answers: the copy goes on, and the rule knows that nothing was seen.
            return _words(exc)
        return ""

    def _watch_over(self, connection: Connection[DictCursor]) -> None:
        if self._end.is_set():
            # The copy ended while it connected.
            return
        server = Server(connection)
        self.server = self.server or server
        self.redo = server.redo()
        if not self._known.is_set():
            self.baseline = self._take_baseline(server)
            server.times.end_baseline()
            self._known.set()
        while not self._end.is_set():
            seen = self._take_interval(server, self.interval_seconds)
            self.latest = ProbeResult(self.latest.number + 1, seen)

    def _take_baseline(self, server: Server) -> Baseline:
        first = self._take_interval(server, FIRST_SECONDS)
        if _is_idle(first):
            return Baseline(
                first.seconds,
                questions_per_s=first.questions_per_s,
                lag_s=first.lag_s,
                idle=True,
            )
        seen = self._take_interval(server, BASELINE_SECONDS)
        if seen.lengths.total < ENOUGH_STATEMENTS:
            seen = both(seen, self._take_interval(server, BASELINE_SECONDS))
        p50 = seen.lengths.p50_ms if server.times.measure is Measure.P99 else None
        return Baseline(seen.seconds, seen.p99_ms, p50, seen.questions_per_s, seen.lag_s)

    def _take_interval(self, server: Server, seconds: float) -> Observation:
        began = due = time.monotonic()
        while True:
            asked = time.monotonic()
            if asked >= due:
                due = asked + _look(server)
            wake = due
            if self._watches_redo:
                # A burst must be seen in time, whatever the answers cost.
                self.redo = server.look_at_redo()
                wake = min(due, asked + LOOK_SECONDS)
            left = began + seconds - time.monotonic()
            pause = max(LEAST_PAUSE_SECONDS, wake - time.monotonic())
            if left <= pause or self._end.wait(pause):
                self._end.wait(max(0.0, left))
                seen = server.end_interval(time.monotonic() - began)
                self.redo = seen.redo
                return seen


def _look(server: Server) -> float:
    """Take a look at what is running; return after how long the next one is due."""
    asked = time.monotonic()
    often = bool(server.look())
    cost = time.monotonic() - asked
    pause = max(LOOK_SECONDS if often else IDLE_LOOK_SECONDS, cost / MOST_COST)
    return cost + min(pause, LONGEST_LOOK_PAUSE_SECONDS)


def _close(connection: Connection[DictCursor]) -> None:
    """End a connection, whatever state it is in."""
    with suppress(pymysql.err.Error, OSError):
        connection.close()


def _is_idle(seen: Observation) -> bool:
    questions = seen.questions_per_s * seen.seconds
    allowed = ENGINE_QUESTIONS + IDLE_QUESTIONS_PER_S * seen.seconds
    return seen.running < IDLE_RUNNING and questions < allowed


# Any: whatever the client library raises.
def _words(exc: Any) -> str:
    return str(exc.args[-1]) if exc.args else type(exc).__name__
