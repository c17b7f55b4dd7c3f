"""A store in which nothing is ever deleted: its credentials need no right to.

What is to go is left to a lifecycle rule of the store, or to a worker with other credentials.
An object without which the same name cannot be written again is replaced.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from types import TracebackType

from backups.repositories.base import Identity, ObjectStore, Upload

logger = logging.getLogger(__name__)


class ReplacingUpload:
    """An object in the place of one that would be deleted otherwise; it is kept in memory."""

    def __init__(self, store: ObjectStore, name: str) -> None:
        self._store, self._name = store, name
        self._content = bytearray()

    def write(self, chunk: bytes) -> None:
        self._content += chunk

    def commit(self) -> None:
        self._store.replace(self._name, bytes(self._content))

    def __enter__(self) -> ReplacingUpload:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._content.clear()


class WriteOnlyStore:
    """Passes everything on but deletions."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        # What was to be deleted and is there: a piece of a binlog whose writer was killed.
        self._given_up: set[str] = set()

    def identity(self) -> Identity:
        return self._store.identity()

    def initialise(self, identity: Identity) -> None:
        self._store.initialise(identity)

    def create(self, name: str) -> Upload:
        if name in self._given_up:
            self._given_up.discard(name)
            return ReplacingUpload(self._store, name)
        return self._store.create(name)

    def try_writing(self) -> None:
        self._store.try_writing()

    def replace(self, name: str, content: bytes) -> None:
        self._store.replace(name, content)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        return self._store.read(name, offset, length)

    def size(self, name: str) -> int:
        return self._store.size(name)

    def exists(self, name: str) -> bool:
        return self._store.exists(name)

    def holds(self, prefix: str) -> bool:
        return self._store.holds(prefix)

    def list(self, prefix: str) -> Iterator[str]:
        return self._store.list(prefix)

    def remove(self, name: str) -> int:
        if self._store.exists(name):
            self._given_up.add(name)
            _log_left(name)
        return 0

    def remove_tree(self, prefix: str) -> int:
        _log_left(prefix)
        return 0

    def free_bytes(self) -> int | None:
        return self._store.free_bytes()

    def total_bytes(self) -> int | None:
        return self._store.total_bytes()

    def clock(self) -> datetime:
        return self._store.clock()


def _log_left(name: str) -> None:
    logger.info(
        "%s is left to the store's lifecycle: the repository is write-only",
        name,
        extra={"action": "deletion_left"},
    )
