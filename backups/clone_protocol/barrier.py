"""When may a connection continue with the next state? When all have ended the last one.

Otherwise an old block of the file copy could arrive after the page that replaced it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from backups.clone_protocol.descriptors import State
from backups.clone_protocol.errors import CloneError

# The donor waits no longer than this for the acknowledgement that depends on it.
PATIENCE_SECONDS = 30 * 60.0


class Barrier:
    """Holds the main connection at the end of a state and the workers at its start."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._changed = threading.Condition()
        self._patience_seconds = patience_seconds
        self._opened = State.INIT
        self._closing = False
        self._ended: dict[int, State] = {}
        self._failure: Exception | None = None

    def join(self, worker: int) -> bool:
        """Register a worker; False if the file copy is already over."""
        with self._changed:
            if self._closing or self._opened is not State.FILE_COPY:
                return False
            self._ended[worker] = State.INIT
            return True

    def leave(self, worker: int) -> None:
        """Wait for this worker no longer."""
        with self._changed:
            self._ended.pop(worker, None)
            self._changed.notify_all()

    def open(self, state: State) -> bool:
        """Let workers deliver data of a state; True the first time."""
        if state <= self._opened:
            return False
        with self._changed:
            self._opened = state
            self._changed.notify_all()
        return True

    def wait_open(self, state: State) -> None:
        """Wait until a state is open."""
        if self._opened >= state and self._failure is None:
            return
        self._wait_for(lambda: self._opened >= state, f"{state.name} did not begin")

    def end(self, worker: int, state: State) -> None:
        """Record that a worker has delivered all its data of a state."""
        with self._changed:
            self._ended[worker] = state
            self._changed.notify_all()

    def wait_ended(self, state: State) -> None:
        """Wait until every worker has ended a state; none joins after the file copy."""
        with self._changed:
            self._closing = state >= State.FILE_COPY
        self._wait_for(
            lambda: all(ended >= state for ended in self._ended.values()),
            f"a worker connection did not end {state.name}",
        )

    def fail(self, reason: Exception) -> None:
        """Make all waiting threads raise ``reason``. The first reason counts."""
        with self._changed:
            self._failure = self._failure or reason
            self._changed.notify_all()

    def _wait_for(self, holds: Callable[[], bool], otherwise: str) -> None:
        with self._changed:
            patience = self._patience_seconds
            if not self._changed.wait_for(lambda: self._failure or holds(), patience):
                raise CloneError(f"{otherwise} within {patience:.0f} s")
            if self._failure:
                raise self._failure
