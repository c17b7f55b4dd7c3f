"""What does an engine tolerate of a pace, and when would a pace do harm?"""

from __future__ import annotations

import enum
from dataclasses import dataclass

# Below it, the copy counts as stalled before a frame is full.
LEAST_BYTES_PER_S = 64 << 10


class RedoRace(enum.Enum):
    """What happens to redo that a slowed copy has not copied yet."""

    NONE = "none"
    # The engine reads the server's own log, which is overwritten: a slow copy fails.
    OVERWRITTEN = "overwritten"
    # The server keeps it in files of its own, which fill its disk.
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class PaceProfile:
    """The part of an engine's behaviour that its pace depends on."""

    race: RedoRace = RedoRace.NONE
    # The sub-operation with whose beginning the race is run; blank: from before the engine begins.
    race_from: str = ""
    # The one by whose beginning the engine has read the redo that there was before it.
    race_read: str = ""
    # The one with whose end it is over.
    race_until: str = ""
    # The file of the copy that is the redo log; blank: it is not counted.
    redo_file: str = ""
    # Sub-operations in which something on the instance is locked: they run at full speed.
    locked: frozenset[str] = frozenset()
    # Servers older than this lock something for all of the copy.
    locks_before: tuple[int, int, int] | None = None
    # A server gives up on a connection that is not read for a while.
    least_bytes_per_s_per_thread: int = 0

    def least_bytes_per_s(self, threads: int) -> int:
        """Return the lowest limit that does no harm."""
        return max(LEAST_BYTES_PER_S, threads * self.least_bytes_per_s_per_thread)


NOT_PACED = PaceProfile()
