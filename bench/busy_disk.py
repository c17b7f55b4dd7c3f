"""What is a disk like that somebody else writes to as well?"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BLOCK_BYTES = 1024**2
FILE_BLOCKS = 1024
# As often as that it waits for the disk, like a server that commits.
BLOCKS_PER_SYNC = 32
# Until the disk is as busy as it will be.
HEAD_START_SECONDS = 2.0


@contextmanager
def busy_disk(folder: Path) -> Iterator[None]:
    """Have a file written over and over, as fast as the disk takes it."""
    over, path = threading.Event(), folder / "busy"
    thread = threading.Thread(target=_write, args=(path, over), daemon=True)
    thread.start()
    try:
        over.wait(HEAD_START_SECONDS)
        yield
    finally:
        over.set()
        thread.join()
        path.unlink()


def _write(path: Path, over: threading.Event) -> None:
    content = os.urandom(BLOCK_BYTES)
    with path.open("wb", buffering=0) as file:
        number = 0
        while not over.is_set():
            os.pwrite(file.fileno(), content, number % FILE_BLOCKS * BLOCK_BYTES)
            number += 1
            if not number % BLOCKS_PER_SYNC:
                os.fdatasync(file.fileno())
