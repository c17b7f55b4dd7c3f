"""Which ticks have run, and which workers are running?

Every tick records when it started and how it ended, and every worker writes a heartbeat every
30 s. What has been silent for too long is down, and pages and rules can report it. The process
that runs the ticks keeps their heartbeats in memory and writes them with its own, because one by
one they would be most of what Mooring writes.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeAlias

from django.db import Error, transaction
from django.utils.timezone import now as clock

from backups.models import TickHeartbeat, WorkerHeartbeat
from backups.models.clock import shared

logger = logging.getLogger(__name__)

# Six ticks of ten seconds: less is a busy machine, more is an outage.
SILENCE = timedelta(seconds=60)
# Heartbeats of ticks that are kept in memory are written as often.
WORKER_HEARTBEAT_SECONDS = 30
# A worker that missed three heartbeats counts as stopped.
WORKER_TIMEOUT = timedelta(seconds=90)
# Rows of workers that were killed are kept this long, to be shown on a page.
FORGOTTEN_AFTER = timedelta(days=1)


def is_stale(moment: datetime, now: datetime, limit: timedelta) -> bool:
    """Whether a sign of life is older than ``limit``, or further than that in the future.

    The clock was set back then, and how long ago it was is unknown: what runs soon gives another.
    """
    return abs(now - moment) > limit


def records_heartbeat(tick: Callable[[], None]) -> Callable[[], None]:
    """Record a tick's heartbeat under its name in the beat schedule; its errors are re-raised."""

    @functools.wraps(tick)
    def with_heartbeat() -> None:
        name = tick.__name__.replace("_", " ")
        begin_tick(name, clock())
        try:
            tick()
        except BaseException as exc:
            end_tick(name, clock(), error=f"{type(exc).__name__}: {exc}")
            raise
        end_tick(name, clock())

    return with_heartbeat


def alone(tick: Callable[[], None]) -> Callable[[], None]:
    """Skip a tick while its previous run is still active in this process.

    A tick that hangs on a disk or a server then occupies one thread, not all of them: others,
    such as those that send messages, continue.
    """
    running = threading.Lock()

    @functools.wraps(tick)
    def unless_running() -> None:
        if not running.acquire(blocking=False):
            logger.warning(
                "%s skipped: its previous run has not ended",
                tick.__name__,
                extra={"action": "tick_skipped", "tick": tick.__name__},
            )
            return
        try:
            tick()
        finally:
            running.release()

    return unless_running


# The columns of one tick that are to be written.
Heartbeat: TypeAlias = dict[str, datetime | str]


class TickHeartbeats:
    """The heartbeats of ticks: written at once, or kept to be written together."""

    def __init__(self) -> None:
        self._kept: dict[str, Heartbeat] = {}
        self._keeps = False
        self._lock = threading.Lock()

    def keep(self) -> None:
        """From now on keep heartbeats until ``write`` is called."""
        self._keeps = True

    def add(self, name: str, heartbeat: Heartbeat) -> None:
        if not self._keeps:
            _write_tick(name, heartbeat)
            return
        with self._lock:
            self._kept.setdefault(name, {}).update(heartbeat)

    def write(self) -> None:
        """Write what is kept; after a database error it stays for the next time."""
        with self._lock:
            kept, self._kept = self._kept, {}
        if not kept:
            return
        try:
            with transaction.atomic():
                for name, heartbeat in kept.items():
                    _write_tick(name, heartbeat)
        except Error:
            with self._lock:
                for name, heartbeat in kept.items():
                    self._kept[name] = heartbeat | self._kept.get(name, {})
            raise

    def finished_at(self, name: str) -> datetime | None:
        """Return when a tick last completed, if that is not written yet."""
        with self._lock:
            moment = self._kept.get(name, {}).get("finished_at")
        return moment if isinstance(moment, datetime) else None


TICKS = TickHeartbeats()


def _write_tick(name: str, heartbeat: Heartbeat) -> None:
    """Write a heartbeat on the shared clock: pages and alerts may be judged on another host."""
    columns = {
        column: shared(value) if isinstance(value, datetime) else value
        for column, value in heartbeat.items()
    }
    if not TickHeartbeat.objects.filter(name=name).update(**columns):
        TickHeartbeat.objects.update_or_create(name=name, defaults=columns)


def begin_tick(name: str, now: datetime) -> None:
    """Record that a tick has started."""
    TICKS.add(name, {"started_at": now})


def end_tick(name: str, now: datetime, *, error: str = "") -> None:
    """Record how a tick ended: ``finished_at`` is when it last completed."""
    TICKS.add(name, {"error": error[:2000]} if error else {"error": "", "finished_at": now})


def note_run(name: str, now: datetime) -> None:
    """Record that a tick completed its work although it is about to raise an error."""
    TICKS.add(name, {"finished_at": now})


def silent_since(name: str, now: datetime) -> datetime | None:
    """Return when a tick last completed, if that is too long ago; otherwise None.

    None also if it never has: nothing was missed before the first tick.
    """
    rows = TickHeartbeat.objects.filter(name=name).values_list("finished_at", flat=True)
    written = rows.first()
    ahead = shared(now) - now
    finished_at = TICKS.finished_at(name) or (written and written - ahead)
    # One in the future: the clock was set back, and no due time has passed meanwhile.
    if finished_at is None or now - finished_at <= SILENCE:
        return None
    return finished_at


def record_worker_heartbeat(
    name: str, queues: Iterable[str], started_at: datetime, now: datetime
) -> None:
    """Record a worker's heartbeat, and the queues it consumes."""
    seen_at = shared(now)
    values = {
        "queues": f",{','.join(sorted(queues))},",
        "started_at": started_at,
        "seen_at": seen_at,
    }
    if not WorkerHeartbeat.objects.filter(name=name).update(**values):
        WorkerHeartbeat.objects.filter(seen_at__lt=seen_at - FORGOTTEN_AFTER).delete()
        WorkerHeartbeat.objects.update_or_create(name=name, defaults=values)


def remove_worker(name: str) -> None:
    """Delete the row of a worker that has been shut down."""
    WorkerHeartbeat.objects.filter(name=name).delete()


def queue_is_served(queue: str, now: datetime) -> bool:
    """Return whether a running worker consumes ``queue``."""
    now = shared(now)
    alive = WorkerHeartbeat.objects.filter(
        seen_at__gte=now - WORKER_TIMEOUT, seen_at__lte=now + WORKER_TIMEOUT
    )
    return alive.filter(queues__contains=f",{queue},").exists()
