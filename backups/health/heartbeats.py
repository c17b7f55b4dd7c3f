"""Which ticks have run, and which workers are there?

Every tick says when it began and how it ended, and every worker says every 10 s that it
lives: what is silent for too long is down, and a page or a rule can say so.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.utils.timezone import now as clock

from backups.models import TickHeartbeat, WorkerHeartbeat

logger = logging.getLogger(__name__)

# Six ticks of ten seconds: less is a busy machine, more is an outage.
SILENCE = timedelta(seconds=60)
WORKER_HEARTBEAT_SECONDS = 10
# Rows of workers that were killed: kept long enough to be seen on a page.
FORGOTTEN_AFTER = timedelta(days=1)


def records_heartbeat(tick: Callable[[], None]) -> Callable[[], None]:
    """Have a tick write its beat, under its name on the plan; what it raises is raised on."""

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


def begin_tick(name: str, now: datetime) -> None:
    """Record that a tick has begun."""
    if not TickHeartbeat.objects.filter(name=name).update(started_at=now):
        TickHeartbeat.objects.get_or_create(name=name, defaults={"started_at": now})


def end_tick(name: str, now: datetime, *, error: str = "") -> None:
    """Record how a tick ended: ``finished_at`` is when it last ran through."""
    beat = TickHeartbeat.objects.filter(name=name)
    if error:
        beat.update(error=error[:2000])
    else:
        beat.update(error="", finished_at=now)


def note_run(name: str, now: datetime) -> None:
    """Record that a tick has done its work, though something in it failed and is raised yet."""
    TickHeartbeat.objects.filter(name=name).update(finished_at=now)


def silent_since(name: str, now: datetime) -> datetime | None:
    """Return when a tick last ran through, if that is too long ago; None where all is well.

    None also where it never has: nothing was missed before the first tick.
    """
    finished_at = (
        TickHeartbeat.objects.filter(name=name).values_list("finished_at", flat=True).first()
    )
    if finished_at is None or now - finished_at <= SILENCE:
        return None
    return finished_at


def record_worker_heartbeat(
    name: str, queues: Iterable[str], started_at: datetime, now: datetime
) -> None:
    """Record that a worker lives, and what it takes jobs from."""
    values = {"queues": f",{','.join(sorted(queues))},", "started_at": started_at, "seen_at": now}
    if not WorkerHeartbeat.objects.filter(name=name).update(**values):
        WorkerHeartbeat.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()
        WorkerHeartbeat.objects.update_or_create(name=name, defaults=values)


def remove_worker(name: str) -> None:
    """Forget a worker that has been shut down."""
    WorkerHeartbeat.objects.filter(name=name).delete()


def queue_is_served(queue: str, now: datetime) -> bool:
    """Say whether a living worker takes jobs from ``queue``."""
    alive = WorkerHeartbeat.objects.filter(seen_at__gte=now - SILENCE)
    return alive.filter(queues__contains=f",{queue},").exists()
