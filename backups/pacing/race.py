"""How far is the instance's redo ahead of what the copy has of it, and how fast is it written?

What the copy has is counted as it arrives, from the last checkpoint before the engine began: the
tool reads redo long before it reports that it copies. It collects redo in a buffer before it sends
any, and names LSNs in its log now and then.
"""

from __future__ import annotations

import re

from backups.pacing.guard import TOOL_BUFFER_BYTES, RedoLead
from backups.pacing.observation import RedoSeen
from backups.pacing.profile import PaceProfile, RedoRace
from backups.pacing.write_rate import WriteRate

_SCANNED = re.compile(r"log scanned up to \((\d{1,19})\)|Retrying read of log at LSN=(\d{1,19})")


class Race:
    """The race of one copy. Each number is written by one thread and read by another."""

    def __init__(self, profile: PaceProfile) -> None:
        self._kind = profile.race
        self._begins: int | None = None
        # How far the log was written when the race began.
        self._first_written = 0
        self._received = 0
        self._scanned = 0
        self._on = False
        self._rate = WriteRate()

    @property
    def is_unseen(self) -> bool:
        """Whether redo may be overwritten, and the instance has never shown any of it."""
        return self._on and self._kind is RedoRace.OVERWRITTEN and self._begins is None

    def begin(self, redo: RedoSeen | None) -> None:
        """The race begins, with the redo log as it was seen last; None: as it is seen first."""
        self._on = self._kind is not RedoRace.NONE
        if redo is not None:
            self._begins = self._start_from(redo)

    def end(self) -> None:
        """All redo that the copy needs has been read; or the engine begins once more."""
        self._on = False
        self._begins, self._received, self._scanned = None, 0, 0

    def read_first(self) -> None:
        """The engine has read all that was written when the race began."""
        self._scanned = max(self._scanned, self._first_written)

    def receive(self, count: int) -> None:
        """Count bytes of redo that have arrived."""
        self._received += count

    def read_line(self, text: str) -> None:
        """Take a line of the engine's log, which may name the LSN that it has come to."""
        if match := _SCANNED.search(text):
            self._scanned = max(self._scanned, int(match[1] or match[2]))

    def lead(self, redo: RedoSeen | None, at: float) -> RedoLead | None:
        """Return by how much the instance is ahead at a moment of the clock of the looks.

        None: there is no race, or it is unknown.
        """
        if redo is not None:
            self._rate.see(redo)
        if not self._on or redo is None:
            return None
        if self._begins is None:
            # Nothing is known of what had arrived before.
            self._begins = self._start_from(redo) - self._received
        if self._kind is RedoRace.KEPT:
            kept = max(0, redo.written - self._begins)
            return RedoLead(kept, kept, redo.capacity)
        copied = max(self._begins + self._received, self._scanned)
        most = max(0, redo.written - copied)
        least = max(0, most - TOOL_BUFFER_BYTES)
        age = max(0.0, at - redo.at)
        return RedoLead(least, most, redo.capacity, self._rate.bytes_per_s, age)

    def _start_from(self, redo: RedoSeen) -> int:
        self._first_written = redo.written
        if self._kind is RedoRace.KEPT or redo.checkpoint is None:
            return redo.written
        return redo.checkpoint
