"""Has the tool waited too long for a lock on the instance?

Everything that wants a lock afterwards queues behind its wait, so the wait is bounded. Not by the
tool's own option (``--ftwrl-wait-timeout``): with it, the tool first waits until no statement that
changes rows is running, which on a busy server or on a replica is never.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

_REQUESTED = re.compile(r"(?:Starting|Started) BACKUP STAGE (?!END)|Acquiring BACKUP LOCKS")
_GRANTED = re.compile(r"Acquired locks for BACKUP STAGE |Finished BACKUP STAGE |All tables locked")


class LockWatch:
    """Follows the tool's log, and calls back once when a wait has taken too long."""

    def __init__(self, seconds: float, on_timeout: Callable[[], None]) -> None:
        self._seconds, self._on_timeout = seconds, on_timeout
        self._timer: threading.Timer | None = None

    def feed(self, line: str) -> None:
        """Take a line of the log."""
        if _GRANTED.search(line):
            self.close()
        elif _REQUESTED.search(line) and self._timer is None:
            self._timer = threading.Timer(self._seconds, self._on_timeout)
            self._timer.daemon = True
            self._timer.start()

    def close(self) -> None:
        """Stop waiting: the lock was granted, or the tool has ended."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
