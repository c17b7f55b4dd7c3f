"""How fast may bytes be read from an instance?

During a copy the load on the disk, not the locks, slows down the instance's writers.
"""

from __future__ import annotations

import time
from collections.abc import Callable

# A pause is slept in pieces, so that a stop request is noticed in time.
LONGEST_NAP_SECONDS = 0.5


class Pace:
    """Limits the caller to a number of bytes per second; 0 is no limit."""

    def __init__(self, bytes_per_s: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._free_at = clock()

    def spend(self, count: int, check: Callable[[], None]) -> None:
        """Account for ``count`` bytes, after a pause if the limit is exceeded."""
        if not self._bytes_per_s:
            return
        # Idle time is not saved up for a burst.
        self._free_at = max(self._free_at, self._clock())
        while (wait := self._free_at - self._clock()) > 0:
            check()
            time.sleep(min(wait, LONGEST_NAP_SECONDS))
        self._free_at += count / self._bytes_per_s
