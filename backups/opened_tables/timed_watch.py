"""What watches the opening of tables where no job does? Nothing but the time limit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from backups.exceptions import EngineError
from backups.programs.redo_progress import RedoProgress

logger = logging.getLogger(__name__)


class TimedWatch:
    """Ends the work after a time; its log goes to Mooring's own."""

    def __init__(self, seconds: float, look: Callable[[], None] = lambda: None) -> None:
        """``look`` is called with each check, and raises when the work must end."""
        self._ends_at, self._seconds, self._look = time.monotonic() + seconds, seconds, look

    def log(self, source: str, text: str, level: str = "info") -> None:
        logger.debug("%s: %s", source, text, extra={"action": "opening_tables"})

    def check(self) -> None:
        self._look()
        if time.monotonic() > self._ends_at:
            raise EngineError(
                f"the tables were not open after {self._seconds:.0f} s",
                hint="Restore the backup, or give it more time.",
            )

    def alive(self) -> None:
        """Nobody waits for signs of life."""

    def redo_applied(self, redo: RedoProgress) -> None:
        """Nobody looks at it."""

    def process_started(self, group: int, started: float) -> None:
        """The kernel ends it with this process."""

    def ending_by(self, hook: Callable[[], None]) -> AbstractContextManager[None]:
        return nullcontext()
