"""How are pieces of files gathered into a frame, and compressed?"""

from __future__ import annotations

from dataclasses import dataclass, field

from backups.archive.blocks.differences import SMALL, Differences
from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.compression import compress
from backups.archive.frames import MAX_EXTENTS, MAX_RAW_BYTES, Compressed, Extent


@dataclass(slots=True)
class Gathered:
    """A frame that is being filled."""

    extents: list[Extent] = field(default_factory=list)
    pieces: list[memoryview] = field(default_factory=list)
    # The same places in the full backup; empty where it has no such files.
    full_extents: list[Extent] = field(default_factory=list)
    raw_bytes: int = 0

    @property
    def is_full(self) -> bool:
        return self.raw_bytes == MAX_RAW_BYTES or len(self.extents) == MAX_EXTENTS

    def add(self, file: int, full_file: int, offset: int, content: memoryview) -> int:
        """Take what fits of a piece, and return how much: no block is split over two frames."""
        part = content[: self._room(offset, len(content))]
        if part:
            self.extents.append(Extent(file, offset, len(part)))
            self.pieces.append(part)
            self.raw_bytes += len(part)
            if full_file:
                self.full_extents.append(Extent(full_file, offset, len(part)))
        return len(part)

    def take(self) -> Gathered:
        """Return what was gathered, and begin the next frame."""
        taken = Gathered(self.extents, self.pieces, self.full_extents, self.raw_bytes)
        self.extents, self.pieces, self.full_extents, self.raw_bytes = [], [], [], 0
        return taken

    def compress(self, level: int, differences: Differences | None) -> Compressed:
        """Return the blocks or their differences from the full backup, whatever is smaller."""
        pieces = self.pieces
        content = pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))
        if differences is None or not self.full_extents:
            return Compressed(compress(content, level), len(content))
        difference = differences.of(self.full_extents, content)
        if difference is None:
            return Compressed(compress(content, level), len(content))
        found = Compressed(compress(difference, level), len(content), is_difference=True)
        if len(found.blob) > SMALL * len(content):
            plain = Compressed(compress(content, level), len(content))
            found = min(plain, found, key=lambda each: len(each.blob))
        differences.note(paid=found.is_difference)
        return found

    def _room(self, offset: int, length: int) -> int:
        room = MAX_RAW_BYTES - self.raw_bytes
        if length <= room:
            return length
        end = (offset + room) // BLOCK_BYTES * BLOCK_BYTES
        return max(end - offset, 0)
