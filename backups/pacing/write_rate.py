"""How fast does an instance write redo, at worst, and lately?

A burst counts from the first look that sees it, and is forgotten slowly: another may follow.
"""

from __future__ import annotations

from backups.pacing.observation import RedoSeen

HALF_LIFE_SECONDS = 3.0


class WriteRate:
    """The rate from one look to the next; a higher one counts for some seconds more."""

    def __init__(self) -> None:
        self._last: RedoSeen | None = None
        # None: not known before the second look.
        self.bytes_per_s: float | None = None

    def see(self, redo: RedoSeen) -> None:
        """Take a look, or the same one again."""
        last = self._last
        if last is not None and redo.at <= last.at:
            return
        self._last = redo
        if last is None:
            return
        seconds = redo.at - last.at
        kept = (self.bytes_per_s or 0.0) * 0.5 ** (seconds / HALF_LIFE_SECONDS)
        self.bytes_per_s = max(kept, (redo.written - last.written) / seconds)
