"""What must a medium be able to do? Everything else is built on this, for a pipe as for a library.

A piece is a row of blocks of one size. A medium knows nothing of what is in them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class PieceSink(Protocol):
    """A piece being written. After an error of ``finish`` too, ``abort`` ends it."""

    def write(self, block: bytes) -> None:
        """Take one block; RepositoryError if the medium does not."""
        ...

    def finish(self) -> None:
        """Return once the medium has confirmed the piece; RepositoryError if it does not."""
        ...

    def abort(self) -> None:
        """End it without a confirmation. Never raises. What the medium keeps of it is no piece."""
        ...

    def kill(self) -> None:
        """Have a blocked call fail at once; called from another thread, and never raises."""
        ...


class PieceFeed(Protocol):
    """A piece being read."""

    def read(self) -> bytes:
        """Return the next block, or what is left of one; empty after the last."""
        ...

    def finish(self) -> None:
        """Confirm, after the last block, that the medium had no error; RepositoryError if so."""
        ...

    def abort(self) -> None:
        """Stop reading. Never raises; without effect after ``finish``."""
        ...

    def kill(self) -> None:
        """Have a blocked call fail at once; called from another thread, and never raises."""
        ...


class Medium(Protocol):
    """A place for pieces. All methods raise RepositoryError with what failed."""

    @property
    def block_bytes(self) -> int: ...

    @property
    def can_remove(self) -> bool:
        """Whether pieces can be removed from here; otherwise the media manager expires them."""
        ...

    def check(self) -> None:
        """Raise RepositoryError if it cannot be used. Reads and writes no piece."""
        ...

    def store(self, piece: str) -> PieceSink: ...

    def fetch(self, piece: str, block_bytes: int) -> PieceFeed:
        """Begin to read a piece that was written in blocks of that size."""
        ...

    def holds(self, piece: str) -> bool: ...

    def names(self) -> Iterator[str] | None:
        """Return the names of the pieces there, of others too; None if it cannot list them."""
        ...

    def remove(self, piece: str) -> bool:
        """Remove a piece, or what an aborted write left of it; False if it is not there."""
        ...
