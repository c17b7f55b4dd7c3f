"""How does a supervisor sleep until a process of its own ends, or until it is asked to stop?"""

from __future__ import annotations

import os
import select
from collections.abc import Iterable
from contextlib import ExitStack


class Bell:
    """Ends a wait at once: when it is rung, or when a child ends."""

    def __init__(self) -> None:
        self._rung = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def ring(self) -> None:
        """Wake the one that waits, now or the next time. A signal handler may do this."""
        os.eventfd_write(self._rung, 1)

    def wait(self, pids: Iterable[int], seconds: float) -> None:
        """Sleep until a ring, the end of a child among ``pids``, or for so many seconds."""
        poll = select.poll()
        poll.register(self._rung, select.POLLIN)
        with ExitStack() as stack:
            for pid in pids:
                descriptor = os.pidfd_open(pid)
                stack.callback(os.close, descriptor)
                poll.register(descriptor, select.POLLIN)
            ready = poll.poll(seconds * 1000)
        if self._rung in dict(ready):
            os.eventfd_read(self._rung)
