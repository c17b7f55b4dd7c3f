"""How is an object written into several stores at once, though one of them may fail?

A store that fails is left: nothing more is written to it, and the others go on. Whoever began the
work decides whether it may, and removes what the store has of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from threading import Lock
from types import TracebackType

from backups.exceptions import RepositoryError
from backups.repositories.base import ObjectStore, Upload

# Called once for a store that failed; raises where the work cannot go on without it.
LeaveStore = Callable[[ObjectStore, RepositoryError], None]


def none_may_fail(store: ObjectStore, error: RepositoryError) -> None:
    raise error


class SeveralStores:
    """Stores that get the same objects. One thread creates and writes, another may commit."""

    def __init__(self, stores: Sequence[ObjectStore], leave: LeaveStore = none_may_fail) -> None:
        self._stores, self._leave, self._lock = list(stores), leave, Lock()

    def create(self, name: str) -> SeveralUploads:
        """Begin an object in every store that has not been left."""
        uploads: list[tuple[ObjectStore, Upload]] = []
        with ExitStack() as begun:
            for store in list(self._stores):
                try:
                    uploads.append((store, begun.enter_context(store.create(name))))
                except RepositoryError as exc:
                    self.leave(store, exc)
            # From here on the uploads clean up after themselves.
            begun.pop_all()
        return SeveralUploads(self, uploads)

    def has(self, store: ObjectStore) -> bool:
        return any(each is store for each in self._stores)

    def leave(self, store: ObjectStore, error: RepositoryError) -> None:
        """Write nothing more to a store; raise the error where that is not allowed."""
        with self._lock:
            if self.has(store):
                self._leave(store, error)
                self._stores = [each for each in self._stores if each is not store]


class SeveralUploads:
    """One object on its way into several stores."""

    def __init__(
        self, stores: SeveralStores, uploads: Sequence[tuple[ObjectStore, Upload]]
    ) -> None:
        self._stores, self._uploads = stores, list(uploads)

    def write(self, chunk: bytes) -> None:
        for store, upload in list(self._uploads):
            self._each(store, upload, partial(upload.write, chunk))

    def commit(self) -> None:
        for store, upload in list(self._uploads):
            self._each(store, upload, upload.commit)

    def __enter__(self) -> SeveralUploads:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with ExitStack() as ending:
            for _, upload in self._uploads:
                ending.push(upload)

    def _each(self, store: ObjectStore, upload: Upload, call: Callable[[], None]) -> None:
        """Do it in one store; where it fails, or failed with another object, drop the upload."""
        if self._stores.has(store):
            try:
                call()
                return
            except RepositoryError as exc:
                self._stores.leave(store, exc)
        self._uploads = [pair for pair in self._uploads if pair[1] is not upload]
        # What it leaves there is removed with its folder.
        with suppress(RepositoryError), upload:
            pass


# Of a mere sequence, none may fail.
Stores = Sequence[ObjectStore] | SeveralStores


def as_several(stores: Stores) -> SeveralStores:
    return stores if isinstance(stores, SeveralStores) else SeveralStores(stores)
