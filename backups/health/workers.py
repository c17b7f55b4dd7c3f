"""How does a worker write its heartbeat?

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

from backups.health.heartbeats import (
    TICKS,
    WORKER_HEARTBEAT_SECONDS,
    record_worker_heartbeat,
    remove_worker,
)

logger = logging.getLogger(__name__)

# A worker that shuts down waits no longer than this for its row to be deleted.
STOP_SECONDS = 5


class WorkerHeartbeatThread:
    """Writes heartbeats until it is stopped, then deletes its row."""

    def __init__(self, name: str, queues: Iterable[str], seconds: float) -> None:
        self.name = name
        self._queues = sorted(queues)
        self._seconds = seconds
        self._started_at = now()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while True:
            self._write(self._write_heartbeats)
            # All processes write at the same moments, so that their pages reach the disk together.
            if self._over.wait(self._seconds - time.monotonic() % self._seconds):
                break
        self._write(self._leave)

    @transaction.atomic
    def _write_heartbeats(self) -> None:
        record_worker_heartbeat(self.name, self._queues, self._started_at, now())
        TICKS.write()

    @transaction.atomic
    def _leave(self) -> None:
        remove_worker(self.name)
        TICKS.write()

    def _write(self, write: Callable[[], None]) -> None:
        try:
            write()
        except Error as exc:
            # A worker that cannot reach the database should be reported as silent.
            logger.warning(
                "worker %s could not write its heartbeat: %s",
                self.name,
                exc,
                extra={"action": "heartbeat_failed", "worker": self.name},
            )
        finally:
            connection.close()


_threads: list[WorkerHeartbeatThread] = []


def start_heartbeat(
    nodename: str, queues: Iterable[str], seconds: float = WORKER_HEARTBEAT_SECONDS
) -> None:
    """Start the heartbeat of this worker process. A restarted one has a new name."""
    _threads.append(WorkerHeartbeatThread(f"{nodename}:{os.getpid()}", queues, seconds))


def stop_heartbeat() -> None:
    """Stop the heartbeat of this worker process."""
    while _threads:
        _threads.pop().stop()
