"""The interface of a runner: commands on the host of an instance, as lists of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, ClassVar, Protocol

from backups.exceptions import RunnerError


@dataclass(frozen=True, slots=True)
class Completed:
    """The exit code and the output of a short command."""

    exit_code: int
    stdout: str
    stderr: str


class RunningCommand(Protocol):
    """A running command. Both of its outputs must be read, or it blocks.

    Both outputs are unbuffered: a read returns the available bytes, and ``readinto`` fills the
    caller's own memory.
    """

    stdout: BinaryIO
    stderr: BinaryIO
    # Process group and start time (seconds since the epoch) of what runs on this machine.
    process: tuple[int, float]

    def wait(self) -> int:
        """Return the exit code, once it has ended; below 0 it is the signal that killed it."""
        ...

    def stop(self) -> None:
        """End it and all its descendants, also on a remote host. Never raises; may be repeated."""
        ...


class Runner(Protocol):
    """A way to reach a host."""

    kind: ClassVar[str]

    def run(self, argv: Sequence[str], *, timeout_seconds: float = 30) -> Completed:
        """Run a short command to its end; RunnerError if it cannot be started."""
        ...

    def start(
        self, argv: Sequence[str], *, secret_files: Mapping[str, str]
    ) -> AbstractContextManager[RunningCommand]:
        """Start a long command.

        Each name in ``secret_files`` that occurs in a word of ``argv`` as ``{name}`` is
        replaced by the path of a file, mode 0600, that holds the text and exists only while
        the command runs. Leaving the context stops the command and removes the files.
        """
        ...

    def failure(self, argv: Sequence[str], exit_code: int, stderr: str) -> RunnerError | None:
        """Return an error if the exit code and output mean that the command never started."""
        ...
