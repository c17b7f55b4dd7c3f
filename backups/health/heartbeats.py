"""Which ticks have run, and which workers are there?

Every tick says when it began and how it ended, and every worker says every 30 s that it
lives: what is silent for too long is down, and a page or a rule can say so. The process that
runs the ticks keeps their beats and writes them with its own: one by one they would be most of
what Mooring writes.
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

from backups.models import TickBeat, WorkerBeat

logger = logging.getLogger(__name__)

# Six ticks of ten seconds: less is a busy machine, more is an outage.
SILENCE = timedelta(seconds=60)
# Beats of ticks are written as often where they are kept.
WORKER_BEAT_SECONDS = 30
# A worker that left out three beats is gone.
WORKER_GONE = timedelta(seconds=90)
# Rows of workers that were killed: kept long enough to be seen on a page.
FORGOTTEN_AFTER = timedelta(days=1)


def beating(tick: Callable[[], None]) -> Callable[[], None]:
    """Have a tick write its beat, under its name on the plan; what it raises is raised on."""

    @functools.wraps(tick)
    def with_beat() -> None:
        name = tick.__name__.replace("_", " ")
        begin_tick(name, clock())
        try:
            tick()
        except BaseException as exc:
            end_tick(name, clock(), error=f"{type(exc).__name__}: {exc}")
            raise
        end_tick(name, clock())

    return with_beat


def alone(tick: Callable[[], None]) -> Callable[[], None]:
    """Leave a tick out while it still runs in this process.

    What hangs on a disk or a server occupies one thread for each tick, and not all there are:
    others, such as those that send messages, go on.
    """
    running = threading.Lock()

    @functools.wraps(tick)
    def unless_running() -> None:
        if not running.acquire(blocking=False):
            logger.warning("%s still runs: left out", tick.__name__)
            return
        try:
            tick()
        finally:
            running.release()

    return unless_running


# Of one tick: its columns, as they are to be written.
Beat: TypeAlias = dict[str, datetime | str]


class Notes:
    """The beats of ticks: written at once, or kept to be written together."""

    def __init__(self) -> None:
        self._kept: dict[str, Beat] = {}
        self._keeps = False
        self._lock = threading.Lock()

    def keep(self) -> None:
        """From now on keep beats until somebody calls ``write``."""
        self._keeps = True

    def add(self, name: str, beat: Beat) -> None:
        if not self._keeps:
            _write_tick(name, beat)
            return
        with self._lock:
            self._kept.setdefault(name, {}).update(beat)

    def write(self) -> None:
        """Write what is kept; where the database fails it stays for the next time."""
        with self._lock:
            kept, self._kept = self._kept, {}
        if not kept:
            return
        try:
            with transaction.atomic():
                for name, beat in kept.items():
                    _write_tick(name, beat)
        except Error:
            with self._lock:
                for name, beat in kept.items():
                    self._kept[name] = beat | self._kept.get(name, {})
            raise

    def finished_at(self, name: str) -> datetime | None:
        """Return when a tick last ran through, as far as that is not written yet."""
        with self._lock:
            found = self._kept.get(name, {}).get("finished_at")
        return found if isinstance(found, datetime) else None


NOTES = Notes()


def _write_tick(name: str, beat: Beat) -> None:
    if not TickBeat.objects.filter(name=name).update(**beat):
        TickBeat.objects.update_or_create(name=name, defaults=beat)


def begin_tick(name: str, now: datetime) -> None:
    """Record that a tick has begun."""
    NOTES.add(name, {"started_at": now})


def end_tick(name: str, now: datetime, *, error: str = "") -> None:
    """Record how a tick ended: ``finished_at`` is when it last ran through."""
    NOTES.add(name, {"error": error[:2000]} if error else {"error": "", "finished_at": now})


def note_run(name: str, now: datetime) -> None:
    """Record that a tick has done its work, though something in it failed and is raised yet."""
    NOTES.add(name, {"finished_at": now})


def silent_since(name: str, now: datetime) -> datetime | None:
    """Return when a tick last ran through, if that is too long ago; None where all is well.

    None also where it never has: nothing was missed before the first tick.
    """
    rows = TickBeat.objects.filter(name=name).values_list("finished_at", flat=True)
    finished_at = NOTES.finished_at(name) or rows.first()
    if finished_at is None or now - finished_at <= SILENCE:
        return None
    return finished_at


def beat_worker(name: str, queues: Iterable[str], started_at: datetime, now: datetime) -> None:
    """Record that a worker lives, and what it takes jobs from."""
    values = {"queues": f",{','.join(sorted(queues))},", "started_at": started_at, "seen_at": now}
    if not WorkerBeat.objects.filter(name=name).update(**values):
        WorkerBeat.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()
        WorkerBeat.objects.update_or_create(name=name, defaults=values)


def remove_worker(name: str) -> None:
    """Forget a worker that has been shut down."""
    WorkerBeat.objects.filter(name=name).delete()


def queue_is_served(queue: str, now: datetime) -> bool:
    """Say whether a living worker takes jobs from ``queue``."""
    alive = WorkerBeat.objects.filter(seen_at__gte=now - WORKER_GONE)
    return alive.filter(queues__contains=f",{queue},").exists()
