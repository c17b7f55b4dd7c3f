"""How far is the instance's redo ahead of what the copy has of it?

What the copy has is counted as it arrives, from the last checkpoint before the engine began. The
tool collects redo in a buffer before it sends any, and names LSNs in its log now and then.
"""

from __future__ import annotations

import re

from backups.pacing.guard import RedoLead
from backups.pacing.observation import RedoSeen
from backups.pacing.profile import PaceProfile, RedoRace

# What mariadb-backup collects of a file before it sends it, and a pipe that is full.
TOOL_BUFFER_BYTES = 11 << 20
_SCANNED = re.compile(r"log scanned up to \((\d{1,19})\)|Retrying read of log at LSN=(\d{1,19})")


class Race:
    """The race of one copy. Each number is written by one thread and read by another."""

    def __init__(self, profile: PaceProfile) -> None:
        self._kind = profile.race
        self._begins: int | None = None
        self._received = 0
        self._scanned = 0
        self._on = False

    def begin(self, redo: RedoSeen | None) -> None:
        """The race begins, with the redo log as it was seen last."""
        if redo is None or self._kind is RedoRace.NONE:
            return
        kept = self._kind is RedoRace.KEPT or redo.checkpoint is None
        self._begins = redo.written if kept else redo.checkpoint
        self._on = True

    def end(self) -> None:
        """All redo that the copy needs has been read."""
        self._on = False

    def receive(self, count: int) -> None:
        """Count bytes of redo that have arrived."""
        self._received += count

    def read_line(self, text: str) -> None:
        """Take a line of the engine's log, which may name the LSN that it has come to."""
        if match := _SCANNED.search(text):
            self._scanned = max(self._scanned, int(match[1] or match[2]))

    def lead(self, redo: RedoSeen | None) -> RedoLead | None:
        """Return by how much the instance is ahead; None: there is no race, or it is unknown."""
        if not self._on or self._begins is None or redo is None:
            return None
        if self._kind is RedoRace.KEPT:
            kept = max(0, redo.written - self._begins)
            return RedoLead(kept, kept, redo.capacity)
        copied = max(self._begins + self._received, self._scanned)
        most = max(0, redo.written - copied)
        return RedoLead(max(0, most - TOOL_BUFFER_BYTES), most, redo.capacity)
