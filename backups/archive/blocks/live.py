"""Which bytes of a chain's frames are the last backup's, each block once, whatever their phase?

A block whose hash is known is taken where bytes of that hash come first: there is then no order
in which they have to be applied. Only what a later phase wrote over a part of a block has no hash,
and keeps its phase.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple

from backups.archive.blocks.assemble import Assembly
from backups.archive.blocks.hashing import BLOCK_BYTES, UNKNOWN
from backups.archive.blocks.joining import TargetFile
from backups.archive.contents import StoredFile
from backups.archive.frames import Extent, Frame
from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError

# Blocks that came in parts and are not complete: a stream cuts very few, and each is held.
MOST_PARTS = 8192
_ZEROS = memoryview(bytes(BLOCK_BYTES))


class LiveRun(NamedTuple):
    """Bytes in a row: of which file they are, where in it, and where in their frame."""

    file: int
    offset: int
    at: int
    length: int


@dataclass(slots=True)
class LiveFrame:
    """What is taken of a frame."""

    runs: list[LiveRun] = field(default_factory=list)
    # Blocks that came in parts, with the last of them in this frame.
    joined: list[tuple[Extent, bytes]] = field(default_factory=list)
    # Whether the runs are all of the frame, in their order: its compressed bytes can be kept.
    whole: bool = True

    def add(self, run: LiveRun) -> None:
        """Add bytes; those that go on from the last ones make one run with them."""
        if not run.length:
            return
        if self.runs:
            file, offset, at, length = self.runs[-1]
            if (file, offset + length, at + length) == run[:3]:
                self.runs[-1] = LiveRun(file, offset, at, length + run.length)
                return
        self.runs.append(run)


class _Fate(Enum):
    """What is done with the bytes of a block."""

    TAKEN = auto()
    DEAD = auto()
    # Only a part of the block is there.
    PART = auto()


class LiveBlocks(Assembly):
    """The blocks of the last backup of a chain. Its methods may be called from many threads."""

    def __init__(self, chain: Sequence[BackupReader]) -> None:
        super().__init__(chain, chain[-1].manifest.contents.files)
        self.table = self._table
        # Of bytes that are kept with their frame and are in no file.
        self.nobody = max(self._targets, default=0) + 1
        # Whether the last backup overrides parts of blocks: after all else, phase after phase.
        self.has_order = any(
            UNKNOWN in target.changes.values() for target in self._targets.values()
        )
        self._lock = threading.Lock()
        self._changes_taken: set[tuple[int, int]] = set()
        self._parts: dict[tuple[int, int], bytearray] = {}

    def take_live(self, depth: int, frame: Frame, *, may_stay: bool) -> LiveFrame:
        """Return what of a frame is the last backup's; ArchiveError for a damaged block.

        ``may_stay``: whether its compressed bytes are those of its content.
        """
        found, at = LiveFrame(whole=may_stay), 0
        view = memoryview(frame.content)
        for extent in frame.extents:
            content = view[at : at + extent.length]
            targets = self._uses[depth].get(extent.file, ())
            for target in targets:
                self._take_blocks(depth, target, extent, at, content, found)
            if not targets:
                self._leave(found, extent.offset, at, content)
            found.whole = found.whole and len(targets) < 2
            at += extent.length
        if not found.whole:
            found.runs = [run for run in found.runs if run.file != self.nobody]
        return found

    def _leave(self, found: LiveFrame, offset: int, at: int, content: memoryview) -> None:
        """Bytes that are in no file. Zeros may stay in their frame: they take no place."""
        found.add(LiveRun(self.nobody, offset, at, len(content)))
        found.whole = found.whole and not _has_bytes(content)

    def missing(self) -> Iterator[tuple[StoredFile, int]]:
        """Yield file and block of what no frame had."""
        zero = self._table.hasher.zero
        for number, target in self._targets.items():
            for block in target.places.unchecked():
                digest, place = self._table.find_first(number, block)
                change = target.changes.get(block)
                # A block that the last backup stored and overrode in parts was taken as it came.
                raw = change == UNKNOWN and place == self._own
                if change in (None, UNKNOWN) and not raw and digest != zero:
                    yield target.file, block
            for block, digest in target.changes.items():
                known = digest not in (UNKNOWN, zero) and block * BLOCK_BYTES < target.file.size
                if known and (number, block) not in self._changes_taken:
                    yield target.file, block

    def _take_blocks(
        self,
        depth: int,
        target: TargetFile,
        extent: Extent,
        at: int,
        content: memoryview,
        found: LiveFrame,
    ) -> None:
        """Take what a file needs of an extent, which is at ``at`` in its frame."""
        end = extent.offset + extent.length
        if depth == self._own and end > target.file.size:
            raise ArchiveError(f"a frame reaches past the end of {target.file.path}")
        file_end = min(target.file.size, self._sizes[depth].get(extent.file, 0))
        start = extent.offset
        while start < end:
            block, place = start // BLOCK_BYTES, at + start - extent.offset
            stop = min(end, (block + 1) * BLOCK_BYTES)
            after = min((block + 1) * BLOCK_BYTES, file_end)
            sent = content[start - extent.offset : stop - extent.offset]
            # What is beyond the end of either file is cut off.
            part = sent[: max(after - start, 0)]
            whole = start == block * BLOCK_BYTES and stop >= after
            fate = self._judge(depth, target, extent.file, block, part, whole=whole)
            kept = len(part) if fate is _Fate.TAKEN else 0
            found.add(LiveRun(target.file.number, start, place, kept))
            if kept < len(sent):
                self._leave(found, start + kept, place + kept, sent[kept:])
            if fate is _Fate.PART and (joined := self._join(target, block, start, part, after)):
                found.joined.append(
                    (Extent(target.file.number, block * BLOCK_BYTES, len(joined)), joined)
                )
            start = stop

    def _judge(
        self,
        depth: int,
        target: TargetFile,
        source: int,
        block: int,
        content: memoryview,
        *,
        whole: bool,
    ) -> _Fate:
        change = target.changes.get(block)
        if depth == self._own and change == UNKNOWN:
            return _Fate.TAKEN
        if change is None or change == UNKNOWN:
            wanted, place = self._table.find_first(target.file.number, block)
            if depth != self._own and place != depth:
                return _Fate.DEAD
        elif depth == self._own:
            wanted = change
        else:
            return _Fate.DEAD
        overridden = self._tables[depth].is_changed(source, block)
        if not whole:
            # One that was overridden as a whole is taken from where it was.
            return _Fate.DEAD if overridden else _Fate.PART
        if (digest := self._table.hasher.hash(content)) != wanted:
            if overridden:
                return _Fate.DEAD
            raise ArchiveError(f"block {block} of {target.file.path} is not what the table says")
        zero = digest == self._table.hasher.zero
        return _Fate.TAKEN if self._is_first(target, block) and not zero else _Fate.DEAD

    def _is_first(self, target: TargetFile, block: int) -> bool:
        """Whether a block was not taken before. It is by now."""
        key = target.file.number, block
        with self._lock:
            if target.changes.get(block, UNKNOWN) != UNKNOWN:
                taken = key in self._changes_taken
                self._changes_taken.add(key)
            else:
                taken = target.places.is_checked(block)
                target.places.set_checked(block)
        return not taken

    def _join(
        self, target: TargetFile, block: int, start: int, part: memoryview, after: int
    ) -> bytes | None:
        """Add a part to its block; return the block if it is complete by that."""
        first, key = block * BLOCK_BYTES, (target.file.number, block)
        wanted, _ = self._table.find_first(*key)
        with self._lock:
            content = self._parts.setdefault(key, bytearray(after - first))
            if len(self._parts) > MOST_PARTS:
                raise ArchiveError(f"more than {MOST_PARTS} blocks came in parts and none whole")
            content[start - first : start - first + len(part)] = part
            # What was never sent of it is zeros.
            if self._table.hasher.hash(content) != wanted:
                return None
            del self._parts[key]
        return bytes(content) if self._is_first(target, block) else None


def _has_bytes(content: memoryview) -> bool:
    """Whether anything but zeros is there."""
    return any(
        content[at : at + BLOCK_BYTES] != _ZEROS[: min(BLOCK_BYTES, len(content) - at)]
        for at in range(0, len(content), BLOCK_BYTES)
    )
