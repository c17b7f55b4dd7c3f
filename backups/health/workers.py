"""How does a worker say that it is there?

A thread of the worker's main process writes a row every few seconds. It has a database
connection only while it writes: a pool process forked meanwhile must not inherit one.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable

from django.db import Error, connection
from django.utils.timezone import now

from backups.health.heartbeats import (
    WORKER_HEARTBEAT_SECONDS,
    record_worker_heartbeat,
    remove_worker,
)

logger = logging.getLogger(__name__)

# A worker that shuts down waits no longer than this for its row to go.
STOP_SECONDS = 5


class WorkerHeartbeatThread:
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
            self._write(
                lambda: record_worker_heartbeat(self.name, self._queues, self._started_at, now())
            )
            if self._over.wait(self._seconds):
                break
        self._write(lambda: remove_worker(self.name))

    def _write(self, write: Callable[[], None]) -> None:
        try:
            write()
        except Error as exc:
            # Silence is the right sign of a worker that cannot reach the database.
            logger.warning("worker %s could not write its beat: %s", self.name, exc)
        finally:
            connection.close()


_threads: list[WorkerHeartbeatThread] = []


def start_heartbeat(
    nodename: str, queues: Iterable[str], seconds: float = WORKER_HEARTBEAT_SECONDS
) -> None:
    """Begin to say that this worker process is there. A restarted one has a name of its own."""
    _threads.append(WorkerHeartbeatThread(f"{nodename}:{os.getpid()}", queues, seconds))


def stop_heartbeat() -> None:
    """Say that this worker process goes."""
    while _threads:
        _threads.pop().stop()
