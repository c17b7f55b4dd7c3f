"""Which server runs on a folder?"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import psutil

from backups.programs.server_process import SERVER_NAMES


def occupant(folder: Path) -> int | None:
    """Return the pid of the server that runs on ``folder``, 0 if only its lock is visible.

    None if no server does.
    """
    try:
        status = folder.stat()
    except FileNotFoundError:
        return None
    for candidate in psutil.process_iter(["name"]):
        # A server's working folder is its data folder.
        if candidate.info["name"] in SERVER_NAMES and _works_in(candidate.pid, status):
            return int(candidate.pid)
    return 0 if _is_locked(folder / "ibdata1") else None


def _works_in(pid: int, folder: os.stat_result) -> bool:
    """Whether a process works in a folder: behind walls, it has another path there."""
    try:
        return os.path.samestat(os.stat(f"/proc/{pid}/cwd"), folder)
    except OSError:
        return False


def _is_locked(path: Path) -> bool:
    """Check the server's lock on its system tablespace, visible from other containers too."""
    try:
        with path.open("r+b") as tablespace:
            fcntl.lockf(tablespace, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False
