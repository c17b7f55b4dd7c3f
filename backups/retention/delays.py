"""How much of a deletion's delay has passed? Only time in which Mooring ran.

Pure. People can undo a deletion only then. A clock that jumps some days ahead, and a weekend
without power, look the same: no tick ran in between. What passed unseen is added to the delay. A
clock that was set back adds nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

# The tick that counts runs every hour; a late one is no gap.
LONGEST_STEP = timedelta(hours=2)


def unseen(seen_at: datetime, now: datetime) -> timedelta:
    """Return how much of the time since a delay was last counted nobody has seen pass."""
    gap = now - seen_at
    return gap - LONGEST_STEP if gap > LONGEST_STEP else timedelta(0)
