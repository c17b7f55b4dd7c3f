"""How many requests may wait for servers, disks and receivers at the same time?

Fewer than a web process has threads: whatever hangs there, the others still answer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from backups.exceptions import Refused

# Of the threads of one web process (``--threads`` in scripts/processes.py).
PLACES = 2
_places = threading.BoundedSemaphore(PLACES)


@contextmanager
def place_to_wait() -> Iterator[None]:
    """Hold a place while a request waits; Refused if all are taken."""
    if not _places.acquire(blocking=False):
        raise Refused(
            "the site is busy: other requests wait for servers or disks",
            hint="Nothing was done. Try again in a minute.",
        )
    try:
        yield
    finally:
        _places.release()
