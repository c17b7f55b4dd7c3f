"""How does a server within walls connect to us? Through a socket made in its own network.

A confined server has a network of its own, with nothing in it, and replicates over TCP only. A
program that runs there in front of it makes the socket and passes it on: nothing else is opened.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from types import TracebackType

from backups.exceptions import EngineError

_PROGRAM = Path(__file__).with_name("listen_inside.py")
_SECONDS = 60


class ListenerLink:
    """Over it, the program passes its socket on. Use as a context."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()

    def __enter__(self) -> ListenerLink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ours.close()
        self._theirs.close()

    @property
    def passed_on(self) -> tuple[int, ...]:
        """The descriptors that the program inherits."""
        return (self._theirs.fileno(),)

    @property
    def argv(self) -> tuple[str, ...]:
        """What is written in front of a command that is to run beside the socket."""
        python = str(Path(sys.executable).resolve())
        return (python, "-I", "-S", str(_PROGRAM), str(self._theirs.fileno()))

    @property
    def readable(self) -> tuple[Path, ...]:
        """What it must be able to read, outside of /usr."""
        base = Path(sys.base_prefix).resolve()
        return (_PROGRAM,) if base.is_relative_to("/usr") else (_PROGRAM, base)

    def receive(self) -> socket.socket:
        """Return the listening socket, or raise EngineError where the program did not get to it."""
        self._theirs.close()
        self._ours.settimeout(_SECONDS)
        try:
            _, descriptors, _, _ = socket.recv_fds(self._ours, 1, 1)
        except OSError as exc:
            raise EngineError(f"no socket that the private server can reach: {exc}") from None
        if not descriptors:
            raise EngineError("no socket that the private server can reach: its program ended")
        return socket.socket(fileno=descriptors[0])
