"""Which ticks are due, and how do they run beside each other in one process?

Most run one after the other in one thread. Those that touch disks and servers, which may hang, have
a thread of their own each time: what hangs there holds up no other tick. Nothing of this needs the
broker, and no message is sent for a tick.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from celery.app.base import Celery
from django.db import InterfaceError, OperationalError, close_old_connections, connections
from django.utils.timezone import now as clock

from backups.health.heartbeats import TICKS
from backups.models import TickHeartbeat
from backups.models.clock import shared

logger = logging.getLogger(__name__)

# Who stops waits no longer than this for the ticks under way: each may be cut off at any point.
STOP_SECONDS = 5.0
# While the machine is suspended, waits do not count: look again at least so often.
LONGEST_WAIT = 30.0


def boot_clock() -> float:
    """Return seconds since the machine started, suspended or not; nobody can set this clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class PeriodicTick:
    """A tick of the plan, and when it is due, on the clock that is never set."""

    name: str
    run: Callable[[], object]
    every: float
    # May hang: it runs in a thread of its own.
    aside: bool
    due_at: float = 0.0

    def plan_next(self, at: float) -> None:
        """Due again at a multiple of its rhythm: those of one rhythm wake the process once."""
        self.due_at = at - at % self.every + self.every


class Ticker:
    """Runs ticks from its start to its stop."""

    def __init__(self, ticks: Sequence[PeriodicTick], *, on_death: Callable[[], None]) -> None:
        """``on_death`` is called where the ticks end without having been stopped."""
        self._on_death = on_death
        # The frequent ones first: what they write down is there for the others.
        self._ticks = sorted(ticks, key=lambda tick: tick.every)
        self._over = threading.Event()
        self._aside: set[threading.Thread] = set()
        self._thread = threading.Thread(target=self._live, name="ticks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        until = boot_clock() + STOP_SECONDS
        self._thread.join(STOP_SECONDS)
        for thread in list(self._aside):
            thread.join(max(until - boot_clock(), 0))

    def _live(self) -> None:
        try:
            self._loop()
        finally:
            connections.close_all()
            if not self._over.is_set():
                logger.critical("the ticks have ended", extra={"action": "ticks_ended"})
                self._on_death()

    def _loop(self) -> None:
        _run("planning the ticks", self._plan_first)
        self._run_due(boot_clock())
        # Whoever looks sees at once that there are ticks again.
        _run("writing the heartbeats", TICKS.write)
        while not self._over.wait(self._seconds_to_next()):
            self._run_due(boot_clock())

    def _plan_first(self) -> None:
        """Have a tick due when it would have been, had this process not been restarted."""
        at, now = boot_clock(), shared(clock())
        beats = dict(TickHeartbeat.objects.values_list("name", "finished_at"))
        for tick in self._ticks:
            tick.due_at = at + seconds_to_first(beats.get(tick.name), tick.every, now)

    def _seconds_to_next(self) -> float:
        wait = min(tick.due_at for tick in self._ticks) - boot_clock()
        return min(max(wait, 0), LONGEST_WAIT)

    def _run_due(self, at: float) -> None:
        for tick in self._ticks:
            if self._over.is_set():
                return
            if tick.due_at > at:
                continue
            tick.plan_next(at)
            close_old_connections()
            _run(tick.name, partial(self._run_aside, tick) if tick.aside else tick.run)

    def _run_aside(self, tick: PeriodicTick) -> None:
        def run() -> None:
            _run(tick.name, tick.run)
            connections.close_all()

        self._aside = {thread for thread in self._aside if thread.is_alive()}
        thread = threading.Thread(target=run, name=tick.name, daemon=True)
        thread.start()
        self._aside.add(thread)


def seconds_to_first(finished_at: datetime | None, every: float, now: datetime) -> float:
    """Return how long to wait for a tick that last ran through at ``finished_at``, if ever."""
    if finished_at is None:
        return 0
    # A clock that was set back makes nobody wait longer than once round.
    return max(every - abs((now - finished_at).total_seconds()), 0)


def _run(name: str, work: Callable[[], object]) -> None:
    """Nothing that goes wrong in a tick ends the ticks."""
    try:
        work()
    except (InterfaceError, OperationalError) as exc:
        # Every tick says so while the database cannot be reached: without its traceback.
        logger.error("%s failed: %s", name, str(exc).strip(), extra={"action": "tick_failed"})
    except Exception:
        logger.exception("%s failed", name, extra={"action": "tick_failed"})


def planned_ticks(app: Celery) -> list[PeriodicTick]:
    """Return the ticks of the plan: those with a queue of their own may hang.

    The application must have imported its tasks.
    """
    # Any: the plan is Celery's, with whatever it may hold.
    plan: Mapping[str, Mapping[str, Any]] = app.conf.beat_schedule
    return [
        PeriodicTick(
            name,
            app.tasks[entry["task"]],
            every=entry["schedule"],
            aside="queue" in entry["options"],
        )
        for name, entry in plan.items()
    ]
