"""What time is it by the clock that all hosts share?

Hosts' clocks may differ by more than a lease lasts, so what one process writes down for another to
judge, such as the end of a lease, is on the clock of PostgreSQL. A database that is a file is used
by one host only, and that host's clock is the shared one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

# Smaller differences are those of a busy machine: between two readings.
TOLERANCE = timedelta(seconds=1)
# The difference is measured again this often, and whenever this host's clock has been set.
MEASURED_EVERY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Difference:
    # Of the database's clock to this host's.
    ahead: timedelta
    # By the clock that nobody can set.
    measured_at: float
    # Of this host's clock to that one.
    wall_to_boot: float

    def holds(self) -> bool:
        age = _boot_clock() - self.measured_at
        step = abs(_wall_to_boot() - self.wall_to_boot)
        return age < MEASURED_EVERY_SECONDS and step < TOLERANCE.total_seconds()


def database_clock() -> datetime | None:
    """Return the time of the database's host; None if the database is a file on this one."""
    if connection.vendor != "postgresql":
        return None
    connection.ensure_connection()
    with connection.wrap_database_errors:
        # Any: Django's type has no driver. Below its counting of queries: the moment at which this
        # is measured has nothing to do with the page that is loaded.
        driver: Any = connection.connection
        moment = driver.execute("SELECT clock_timestamp()").fetchone()[0]
    assert isinstance(moment, datetime)
    return moment


class SharedClock:
    """Converts moments of this host's clock to those of the shared one."""

    def __init__(self, read: Callable[[], datetime | None] = database_clock) -> None:
        """``read`` returns what the shared clock shows; None where it is this host's."""
        self._read = read
        self._difference: _Difference | None = None
        self._lock = threading.Lock()

    def at(self, moment: datetime) -> datetime:
        """Return what the shared clock shows when this host's shows ``moment``."""
        with self._lock:
            if self._difference is None or not self._difference.holds():
                self._difference = self._measure()
            return moment + self._difference.ahead

    def _measure(self) -> _Difference:
        before = _wall_clock()
        there = self._read()
        after = _wall_clock()
        ahead = timedelta(0)
        if there is not None and not before - TOLERANCE <= there <= after + TOLERANCE:
            ahead = there - after
        return _Difference(ahead, _boot_clock(), _wall_to_boot())


SHARED_CLOCK = SharedClock()


def shared(moment: datetime) -> datetime:
    """Return ``moment``, which this host's clock shows, on the clock that all hosts share."""
    return SHARED_CLOCK.at(moment)


def _wall_clock() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def _boot_clock() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _wall_to_boot() -> float:
    return time.time() - _boot_clock()
