"""How does what runs on the host of a server leave processor and disk to that server?"""

from __future__ import annotations

import os

LOW_NICENESS = 10


def lower_own_priority() -> None:
    """Leave the processor to a server on this host, for as long as this process lives."""
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, max(niceness, LOW_NICENESS))


def low_priority() -> list[str]:
    """Return what is put in front of a command; no lower where this process has it already.

    A kernel that does not allow it is no obstacle.
    """
    more = max(LOW_NICENESS - os.getpriority(os.PRIO_PROCESS, 0), 0)
    return ["nice", "-n", str(more), "ionice", "-t", "-c", "best-effort", "-n", "7"]
