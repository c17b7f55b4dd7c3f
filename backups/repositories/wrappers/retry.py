"""How does a job survive a network mount that fails for a moment?

What fails for a transient reason is tried again, a few times and a little later each time. Any
other error is raised at once, and a transient one as soon as patience ends: unchanged.

Only calls that may be repeated are. Not so the bytes of an upload: after a write or a sync has
failed, nobody knows what the disk has, and a sync that succeeds later proves nothing. Not so
removals and measurements, which ticks repeat anyway.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from backups.exceptions import RepositoryError
from backups.repositories.base import Identity, ObjectStore, Upload

logger = logging.getLogger(__name__)

T = TypeVar("T")
# Seconds before each further try; with the jitter of all workers' jobs they are not in step.
DELAYS = (0.5, 1.0, 2.0)
JITTER = 0.5


class RetryingStore:
    """Tries again what failed for a transient reason."""

    def __init__(self, store: ObjectStore, sleep: Callable[[float], None] = time.sleep) -> None:
        self._store, self._sleep = store, sleep
        # What stayed unreadable: a pack on a bad disk is read in thousands of pieces, and
        # patience with each of them would last for days.
        self._given_up: set[str] = set()

    def identity(self) -> Identity:
        return self._patiently("", self._store.identity)

    def initialise(self, identity: Identity) -> None:
        self._store.initialise(identity)

    def create(self, name: str) -> Upload:
        return self._patiently(name, lambda: self._store.create(name))

    def try_writing(self) -> None:
        self._patiently("", self._store.try_writing)

    def replace(self, name: str, content: bytes) -> None:
        # Every try writes all of it, under another name.
        self._patiently(name, lambda: self._store.replace(name, content))

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        return self._patiently(name, lambda: self._store.read(name, offset, length))

    def size(self, name: str) -> int:
        return self._patiently(name, lambda: self._store.size(name))

    def exists(self, name: str) -> bool:
        return self._patiently(name, lambda: self._store.exists(name))

    def holds(self, prefix: str) -> bool:
        return self._patiently(prefix, lambda: self._store.holds(prefix))

    def list(self, prefix: str) -> Iterator[str]:
        listing = _Listing(self._store, prefix)
        while (name := self._patiently(prefix, listing.next_name)) is not None:
            yield name

    def remove(self, name: str) -> int:
        return self._store.remove(name)

    def remove_tree(self, prefix: str) -> int:
        return self._store.remove_tree(prefix)

    def free_bytes(self) -> int | None:
        return self._store.free_bytes()

    def total_bytes(self) -> int | None:
        return self._store.total_bytes()

    def clock(self) -> datetime:
        return self._store.clock()

    def _patiently(self, name: str, call: Callable[[], T]) -> T:
        for delay in () if name in self._given_up else DELAYS:
            try:
                return call()
            except RepositoryError as exc:
                if not exc.transient:
                    raise
                seconds = delay * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
                logger.warning(
                    "%s; trying again in %.1f s",
                    exc,
                    seconds,
                    extra={"action": "repository_retried"},
                )
                self._sleep(seconds)
        try:
            return call()
        except RepositoryError as exc:
            if exc.transient:
                self._given_up.add(name)
            raise


class _Listing:
    """A list that goes on behind its last name after it broke off: names come in order."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store, self._prefix, self._last = store, prefix, ""
        self._names: Iterator[str] | None = None

    def next_name(self) -> str | None:
        """Return the next name; None after the last."""
        try:
            if self._names is None:
                self._names = self._store.list(self._prefix)
            name = next((name for name in self._names if name > self._last), None)
        except RepositoryError:
            self._names = None
            raise
        self._last = name or self._last
        return name
