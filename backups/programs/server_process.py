"""Which process is the server, where walls stand around it, and how does it end?"""

from __future__ import annotations

import subprocess
from contextlib import suppress

import psutil

SERVER_NAMES = frozenset({"mariadbd", "mysqld"})
_BY_SIGNAL = 128
_FALL_SECONDS = 10


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
