"""The Celery application of the process that runs the ticks.

    celery -A monitor.control worker --pool threads

Beside the ticks it takes the messages of the queues it is configured to serve. There is one such
process, on one host.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from celery import bootsteps

from monitor.celery import app

if TYPE_CHECKING:
    from monitor.ticks import Ticker

__all__ = ["app"]


def _end_process() -> None:
    """The supervisor starts this process again: without its ticks it is of no use."""
    os.kill(os.getpid(), signal.SIGTERM)


class Ticks(bootsteps.StartStopStep):
    """The ticks as a part of Celery's worker: they begin before it reaches its broker."""

    # Any: the parent is Celery's worker, untyped.
    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._ticker: Ticker | None = None

    def start(self, parent: Any) -> None:
        # Models can be imported only now that Django is set up.
        from backups.health.heartbeats import TICKS
        from monitor.ticks import Ticker, planned_ticks

        # The worker's own beat writes them.
        TICKS.keep()
        self._ticker = Ticker(planned_ticks(parent.app), on_death=_end_process)
        self._ticker.start()

    def stop(self, parent: Any) -> None:
        if self._ticker is not None:
            self._ticker.stop()

    def terminate(self, parent: Any) -> None:
        self.stop(parent)


app.steps["worker"].add(Ticks)
