"""When is a changed block stored as its difference from the full backup's block?

A page in which a row has changed is nearly the page that the full backup has: XORed with it, it is
nearly all zeros. Always with the full's, so that a restore needs one block and one difference.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Lock

from backups.archive.blocks.full_blocks import FullBlocks
from backups.archive.differing import xor
from backups.archive.frames import MAX_RAW_BYTES, Extent
from backups.exceptions import MooringError

# Opening more of the full backup for one frame costs more than its difference saves.
MOST_READ_BYTES = 8 * MAX_RAW_BYTES
# A difference of this share of its blocks is not compared with the blocks themselves.
SMALL = 0.25
# After differences were no smaller, so many frames go without; twice as many each time.
FIRST_PAUSE, LONGEST_PAUSE = 1, 64
# Longer on average for one frame is a repository that is too slow to be read meanwhile.
SLOWEST_READ_S = 2.0
READS_AVERAGED = 8


class Differences:
    """Finds differences for a writer, for as long as they pay. Used by many threads."""

    def __init__(self, full: FullBlocks) -> None:
        self._full, self._lock = full, Lock()
        self._paused, self._pause = 0, FIRST_PAUSE
        self._reads: list[float] = []
        # Why no more are stored; blank while they are.
        self.ended = ""
        # Whether they ended because bytes that the backup may need cannot be read.
        self.is_full_unreadable = False

    def of(self, extents: Sequence[Extent], content: bytes | memoryview) -> bytes | None:
        """Return the difference of what is to be stored, or None where none is wanted.

        ``extents`` are places in the files of the full backup.
        """
        with self._lock:
            if self.ended or self._paused:
                self._paused = max(self._paused - 1, 0)
                return None
        began = time.monotonic()
        try:
            before = self._full.read_near(extents, MOST_READ_BYTES)
        except MooringError as exc:
            # The blocks themselves are at hand; a verify of the chain will name the damage.
            self.is_full_unreadable = True
            self.ended = f"the full backup cannot be read: {exc}"
            return None
        # Indexes were read, even if they say that too much would have to be opened.
        self._note_read(time.monotonic() - began)
        return None if before is None else xor(content, before)

    def note(self, *, paid: bool) -> None:
        """Record whether a difference was smaller than its blocks."""
        with self._lock:
            if paid:
                self._pause = FIRST_PAUSE
                return
            self._paused = self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _note_read(self, seconds: float) -> None:
        with self._lock:
            self._reads = [*self._reads[1 - READS_AVERAGED :], seconds]
            mean = sum(self._reads) / len(self._reads)
            if len(self._reads) == READS_AVERAGED and mean > SLOWEST_READ_S:
                self.ended = f"reading the full backup takes {mean:.1f} s for each frame"
