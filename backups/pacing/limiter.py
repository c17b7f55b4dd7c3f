"""How is a copy held to a rate that changes while it reads?

Bytes are counted as they are read from the instance, whether they are stored or not. A pause ends
when the rate is raised, and a stop request is noticed within it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

# A pause is slept in pieces, so that a stop request is noticed in time.
LONGEST_NAP_SECONDS = 0.5
# What a pause that lasted too long, or a stall of the reader, may be made up for.
CREDIT_SECONDS = 0.05
# The rate of a copy that waits.
HELD = 0.0


class Limiter:
    """Limits one reader to a number of bytes per second; None is no limit."""

    def __init__(
        self,
        bytes_per_s: float | None = None,
        *,
        on_pause: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``on_pause`` is called between two pieces of a pause."""
        self._clock, self._on_pause = clock, on_pause
        self._changed = threading.Condition()
        self._rate = bytes_per_s
        self._counted_at = clock()
        # Read and not paid for by time that passed; negative: a credit.
        self._debt = 0.0
        self.read_bytes = 0

    @property
    def bytes_per_s(self) -> float | None:
        """The limit in force."""
        return self._rate

    def set(self, bytes_per_s: float | None) -> None:
        """Change the limit, from any thread; a pause that goes on gets the new one."""
        with self._changed:
            self._pay()
            self._rate = bytes_per_s
            self._changed.notify_all()

    def spend(self, count: int, check: Callable[[], None]) -> None:
        """Account for ``count`` bytes read, after a pause if those before were too many."""
        self.read_bytes += count
        if self._rate is None:
            return
        while (nap := self._pause()) > 0:
            check()
            self._on_pause()
            with self._changed:
                # The rate may have been raised since the pause was computed.
                if self._pause() > 0:
                    self._changed.wait(nap)
        with self._changed:
            self._debt += count

    def _pause(self) -> float:
        """Return how long to sleep before the next look; zero: go on."""
        with self._changed:
            self._pay()
            rate = self._rate
            if rate is None or self._debt <= 0:
                return 0
            return min(self._debt / rate, LONGEST_NAP_SECONDS) if rate else LONGEST_NAP_SECONDS

    def _pay(self) -> None:
        at = self._clock()
        elapsed, self._counted_at = max(0.0, at - self._counted_at), at
        if self._rate is None:
            self._debt = 0.0
        else:
            # Idle time is not saved up for a burst.
            self._debt = max(self._debt - elapsed * self._rate, -CREDIT_SECONDS * self._rate)
