"""How does a job survive a mount that hangs? By never entering it itself: see ``apart``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from types import TracebackType

from backups.repositories.apart import call, later
from backups.repositories.base import Identity, ObjectStore, Upload


class AnsweringStore:
    """Passes calls on in other threads; one that hangs is an error."""

    def __init__(self, store: ObjectStore, place: str = "the repository") -> None:
        """``place`` is what hangs as a whole, as it is shown: the mount."""
        self._store, self._place = store, place

    def identity(self) -> Identity:
        return call(self._place, self._store.identity)

    def initialise(self, identity: Identity) -> None:
        call(self._place, lambda: self._store.initialise(identity))

    def create(self, name: str) -> Upload:
        upload = call(self._place, lambda: self._store.create(name), _drop)
        return AnsweringUpload(upload, self._place)

    def try_writing(self) -> None:
        call(self._place, self._store.try_writing)

    def replace(self, name: str, content: bytes) -> None:
        call(self._place, lambda: self._store.replace(name, content))

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        return call(self._place, lambda: self._store.read(name, offset, length))

    def size(self, name: str) -> int:
        return call(self._place, lambda: self._store.size(name))

    def exists(self, name: str) -> bool:
        return call(self._place, lambda: self._store.exists(name))

    def holds(self, prefix: str) -> bool:
        return call(self._place, lambda: self._store.holds(prefix))

    def list(self, prefix: str) -> Iterator[str]:
        yield from call(self._place, lambda: [*self._store.list(prefix)])

    def remove(self, name: str) -> int:
        return call(self._place, lambda: self._store.remove(name))

    def remove_tree(self, prefix: str) -> int:
        return call(self._place, lambda: self._store.remove_tree(prefix))

    def free_bytes(self) -> int | None:
        return call(self._place, self._store.free_bytes)

    def total_bytes(self) -> int | None:
        return call(self._place, self._store.total_bytes)

    def clock(self) -> datetime:
        return call(self._place, self._store.clock)


class AnsweringUpload:
    """An upload whose every step may hang; it is closed whenever that is possible."""

    def __init__(self, upload: Upload, place: str) -> None:
        self._upload, self._place = upload, place

    def write(self, chunk: bytes) -> None:
        call(self._place, lambda: self._upload.write(chunk))

    def commit(self) -> None:
        call(self._place, self._upload.commit)

    def __enter__(self) -> Upload:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        later(self._place, lambda: self._upload.__exit__(kind, error, None))


def _drop(upload: Upload) -> None:
    """Close an upload that was begun too late."""
    with upload:
        pass
