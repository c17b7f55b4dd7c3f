"""How much does a job move, where a store is no bucket? Each call counts as one request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from types import TracebackType

from backups.repositories.base import Identity, ObjectStore, Upload
from backups.repositories.usage import Asked, StoreUsage


class CountingStore:
    """Passes calls on, and counts those that were answered."""

    def __init__(self, store: ObjectStore, usage: StoreUsage) -> None:
        self._store, self._usage = store, usage

    def identity(self) -> Identity:
        found = self._store.identity()
        self._usage.note(Asked.GET)
        return found

    def initialise(self, identity: Identity) -> None:
        self._store.initialise(identity)
        self._usage.note(Asked.PUT)

    def create(self, name: str) -> Upload:
        return CountingUpload(self._store.create(name), self._usage)

    def try_writing(self) -> None:
        self._store.try_writing()

    def replace(self, name: str, content: bytes) -> None:
        self._store.replace(name, content)
        self._usage.note(Asked.PUT, sent=len(content))

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        content = self._store.read(name, offset, length)
        self._usage.note(Asked.GET, received=len(content))
        return content

    def size(self, name: str) -> int:
        self._usage.note(Asked.HEAD)
        return self._store.size(name)

    def exists(self, name: str) -> bool:
        self._usage.note(Asked.HEAD)
        return self._store.exists(name)

    def holds(self, prefix: str) -> bool:
        self._usage.note(Asked.HEAD)
        return self._store.holds(prefix)

    def list(self, prefix: str) -> Iterator[str]:
        self._usage.note(Asked.LIST)
        return self._store.list(prefix)

    def remove(self, name: str) -> int:
        self._usage.note(Asked.DELETE)
        return self._store.remove(name)

    def remove_tree(self, prefix: str) -> int:
        self._usage.note(Asked.DELETE)
        return self._store.remove_tree(prefix)

    def free_bytes(self) -> int | None:
        return self._store.free_bytes()

    def total_bytes(self) -> int | None:
        return self._store.total_bytes()

    def clock(self) -> datetime:
        return self._store.clock()


class CountingUpload:
    """An upload whose bytes are counted as they are taken."""

    def __init__(self, upload: Upload, usage: StoreUsage) -> None:
        self._upload, self._usage = upload, usage

    def write(self, chunk: bytes) -> None:
        self._upload.write(chunk)
        self._usage.note(Asked.PUT, 0, sent=len(chunk))

    def commit(self) -> None:
        self._upload.commit()
        self._usage.note(Asked.PUT)

    def __enter__(self) -> CountingUpload:
        self._upload.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._upload.__exit__(kind, error, trace)
