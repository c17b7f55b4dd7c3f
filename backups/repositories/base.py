"""What every repository offers: named objects that appear whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Identity:
    """What ``mooring.json`` at the top of a repository says."""

    uuid: str
    format_version: int


class Upload(Protocol):
    """An object being written. Leaving the context without a commit leaves nothing behind."""

    def write(self, chunk: bytes) -> None: ...

    def commit(self) -> None:
        """Make the object durable, then visible under its name, at once and whole."""
        ...

    def __enter__(self) -> Upload: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class ObjectStore(Protocol):
    """A place for packs and manifests. Names are relative paths with ``/``.

    Everything here raises RepositoryError with the name of the object and the cause.
    """

    def identity(self) -> Identity:
        """Read who this is; RepositoryError where it is no repository."""
        ...

    def initialise(self, identity: Identity) -> None:
        """Make an empty place a repository; refuse one that holds anything else."""
        ...

    def create(self, name: str) -> Upload:
        """Begin an object. It must not exist yet when it is committed."""
        ...

    def replace(self, name: str, content: bytes) -> None:
        """Put a small object in the place of the one of that name, at once and whole."""
        ...

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return a range of an object; fewer bytes than asked for are an error."""
        ...

    def size(self, name: str) -> int: ...

    def exists(self, name: str) -> bool: ...

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the names below ``prefix``, in order; unfinished uploads are not among them."""
        ...

    def remove_tree(self, prefix: str) -> int:
        """Delete everything below ``prefix``, unfinished uploads too; return the bytes freed."""
        ...

    def free_bytes(self) -> int | None:
        """How much more fits; None where nobody can say."""
        ...

    def total_bytes(self) -> int | None:
        """How much fits into it when it is empty; None where nobody can say."""
        ...
