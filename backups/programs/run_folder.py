"""Where are the socket and the log of a private server, and who removes those of a killed process?

In a folder of their own in the machine's temporary one, because the path of a socket must be short.
The process that made it holds a lock on it, which ends with the process whatever ends that. A
folder without such a holder is nobody's, and a tick removes it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

PREFIX = "mooring-run-"
# One that was made just now may not be held yet.
NEW_SECONDS = 60.0


class RunFolder:
    """A folder that is this process's until it is removed. It may be made again then."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
        self._held: int | None = None
        self.make()

    def make(self) -> None:
        """Make the folder if it is not there, and hold it."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        if self._held is None:
            self._held = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            fcntl.flock(self._held, fcntl.LOCK_EX)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        if self._held is not None:
            os.close(self._held)
            self._held = None


def remove_unheld() -> int:
    """Remove the folders of processes that are gone; return how many."""
    folders = Path(tempfile.gettempdir()).glob(f"{PREFIX}*")
    return sum(_remove_unheld(folder) for folder in folders)


def _remove_unheld(folder: Path) -> bool:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        # It is gone meanwhile, or is somebody else's.
        return False
    try:
        if abs(time.time() - os.fstat(descriptor).st_mtime) < NEW_SECONDS:
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()
    finally:
        os.close(descriptor)
