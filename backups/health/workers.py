"""How does a worker say that it is there?

A thread of the worker's main process writes a row every few seconds. It has a database
connection only while it writes: a pool process forked meanwhile must not inherit one.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable

from django.db import Error, connection, transaction
from django.utils.timezone import now

from backups.health.heartbeats import NOTES, WORKER_BEAT_SECONDS, beat_worker, remove_worker

logger = logging.getLogger(__name__)

# A worker that shuts down waits no longer than this for its row to go.
STOP_SECONDS = 5


class WorkerPulse:
    """Beats until it is stopped, then takes its row away."""

    def __init__(self, name: str, queues: Iterable[str], seconds: float) -> None:
        self.name = name
        self._queues = sorted(queues)
        self._seconds = seconds
        self._started_at = now()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="worker beat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(STOP_SECONDS)

    def _beat(self) -> None:
        while True:
            self._write(self._beat_once)
            # All processes at the same moments: their pages reach the disk together.
            if self._over.wait(self._seconds - time.monotonic() % self._seconds):
                break
        self._write(self._leave)

    @transaction.atomic
    def _beat_once(self) -> None:
        beat_worker(self.name, self._queues, self._started_at, now())
        NOTES.write()

    @transaction.atomic
    def _leave(self) -> None:
        remove_worker(self.name)
        NOTES.write()

    def _write(self, write: Callable[[], None]) -> None:
        try:
            write()
        except Error as exc:
            # Silence is the right sign of a worker that cannot reach the database.
            logger.warning("worker %s could not write its beat: %s", self.name, exc)
        finally:
            connection.close()


_pulses: list[WorkerPulse] = []


def start_beating(
    nodename: str, queues: Iterable[str], seconds: float = WORKER_BEAT_SECONDS
) -> None:
    """Begin to say that this worker process is there. A restarted one has a name of its own."""
    _pulses.append(WorkerPulse(f"{nodename}:{os.getpid()}", queues, seconds))


def stop_beating() -> None:
    """Say that this worker process goes."""
    while _pulses:
        _pulses.pop().stop()
