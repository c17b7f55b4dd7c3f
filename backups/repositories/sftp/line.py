"""What does an SFTP session run over? A command's pipes, whoever started it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, BinaryIO, Protocol

from backups.exceptions import MooringError


class Line(Protocol):
    """A running command that speaks SFTP on its standard input and output."""

    stdin: IO[bytes] | None
    stdout: BinaryIO
    stderr: BinaryIO

    def wait(self) -> int: ...

    def stop(self) -> None:
        """End it at once, in whatever it hangs."""
        ...

    def close(self) -> None:
        """End it, and close its pipes."""
        ...


class Dialer(Protocol):
    """Opens lines to one server."""

    @property
    def key(self) -> object:
        """What lines to the same account with the same settings have in common; hashable."""
        ...

    def dial(self) -> Line:
        """Start a line; a MooringError if that is impossible or not allowed."""
        ...

    def failure(self, lines: Sequence[str]) -> tuple[MooringError, bool]:
        """Say what the messages of a line that ended mean, and whether it may work in a moment."""
        ...
