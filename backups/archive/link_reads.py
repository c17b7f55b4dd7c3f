"""How much of each backup of a chain was read, and when?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from backups.archive.contents import Contents


@dataclass(slots=True)
class LinkRead:
    """What was read of one backup of a chain, of how much there is."""

    stored_bytes: int
    frames: int
    read_bytes: int = 0
    read_frames: int = 0

    @classmethod
    def of(cls, contents: Contents) -> LinkRead:
        return cls(contents.stored_bytes, sum(pack.frames for pack in contents.packs))

    def add(self, stored_bytes: int) -> None:
        """Count a frame."""
        self.read_bytes += stored_bytes
        self.read_frames += 1


class ChainWatch(Protocol):
    """Whoever wants to know. Backups are numbered from 0, the full one."""

    def link_began(self, number: int) -> None: ...

    def link_ended(self, number: int, read: LinkRead) -> None: ...


class Unwatched:
    """Nobody."""

    def link_began(self, number: int) -> None:
        """Nothing to do."""

    def link_ended(self, number: int, read: LinkRead) -> None:
        """Nothing to do."""


UNWATCHED = Unwatched()
