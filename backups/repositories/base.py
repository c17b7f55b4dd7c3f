"""The interface of a repository: named objects that are committed atomically."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Identity:
    """The content of ``mooring.json`` at the top of a repository."""

    uuid: str
    format_version: int


class Upload(Protocol):
    """An object being written. Leaving the context without a commit leaves nothing behind."""

    def write(self, chunk: bytes) -> None: ...

    def commit(self) -> None:
        """Make the object durable, then atomically visible under its name."""
        ...

    def __enter__(self) -> Upload: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class ObjectStore(Protocol):
    """A store for packs and manifests. Names are relative paths with ``/``.

    All methods raise RepositoryError with the name of the object and the cause.
    """

    def identity(self) -> Identity:
        """Read the identity; RepositoryError if there is no repository."""
        ...

    def initialise(self, identity: Identity) -> None:
        """Initialise an empty place as a repository; refuse one that is not empty."""
        ...

    def create(self, name: str) -> Upload:
        """Begin an object. It must not exist yet when it is committed."""
        ...

    def try_writing(self) -> None:
        """Raise RepositoryError unless an object could be written now. Leaves nothing behind."""
        ...

    def replace(self, name: str, content: bytes) -> None:
        """Replace a small object atomically."""
        ...

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return a range of an object; fewer bytes than requested are an error."""
        ...

    def size(self, name: str) -> int: ...

    def exists(self, name: str) -> bool: ...

    def holds(self, prefix: str) -> bool:
        """Whether anything is below ``prefix``; leftovers count where the store shows them."""
        ...

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the names below ``prefix``, in order; unfinished uploads are not among them."""
        ...

    def remove(self, name: str) -> int:
        """Delete one object; return the bytes freed, 0 if it was not there."""
        ...

    def remove_tree(self, prefix: str) -> int:
        """Delete everything below ``prefix``, unfinished uploads too; return the bytes freed."""
        ...

    def free_bytes(self) -> int | None:
        """Return the free space; None if unknown."""
        ...

    def total_bytes(self) -> int | None:
        """Return the total space; None if unknown."""
        ...

    def clock(self) -> datetime:
        """Return the present time by the storage's own clock. Leaves nothing behind."""
        ...
