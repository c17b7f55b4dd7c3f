"""How is a server started, which process is it within its walls, and how does it end?"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO

import psutil

from backups.runners.environment import tool_environment
from backups.runners.priority import lower_session

SERVER_NAMES = frozenset({"mariadbd", "mysqld"})
_BY_SIGNAL = 128
_FALL_SECONDS = 10


def start(
    argv: Sequence[str], log: BinaryIO, pass_fds: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    """Start a command that is to become a server, its output in ``log``."""
    # A session of its own: Ctrl-C on the terminal must not reach the server directly.
    server = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        close_fds=True,
        pass_fds=pass_fds,
        env=tool_environment(),
        start_new_session=True,
    )
    lower_session(server.pid)
    return server


def end(server: subprocess.Popen[bytes], patience_seconds: float) -> None:
    """End a server: gently for so long, then at once."""
    servers = servers_of(server)
    if patience_seconds and server.poll() is None:
        for process in servers:
            # The walls around it would not pass the signal on.
            with suppress(psutil.Error):
                process.terminate()
    try:
        server.wait(patience_seconds)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
        # Its walls fall with it; a moment later it is gone too.
        psutil.wait_procs(servers, timeout=_FALL_SECONDS)


def servers_of(command: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """Return the server that a command became, or that runs within the walls it built."""
    try:
        leader = psutil.Process(command.pid)
        family = [leader, *leader.children(recursive=True)]
        servers = [process for process in family if process.name() in SERVER_NAMES]
    except psutil.Error:
        return []
    return servers or [leader]


def exit_code_of(command: subprocess.Popen[bytes]) -> int | None:
    """Return how it ended, below 0 by a signal; None while it runs.

    Walls tell a signal as shells do.
    """
    code = command.poll()
    return code if code is None or code <= _BY_SIGNAL else _BY_SIGNAL - code
