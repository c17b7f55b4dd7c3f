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

from backups.archive.blocks.assemble import Assembly, first_and_end
from backups.archive.blocks.damaged_link import naming_damaged
from backups.archive.blocks.hashing import BLOCK_BYTES, HASH_BYTES, UNKNOWN
from backups.archive.blocks.joining import IS_RIGHT, FullBlock, TargetFile
from backups.archive.blocks.places import TAKEN, runs_with
from backups.archive.contents import StoredFile
from backups.archive.frames import Extent, Frame
from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError

# Blocks that came in parts and are not complete: a stream cuts very few, and each is held.
MOST_PARTS = 8192
_ZEROS = bytes(BLOCK_BYTES)


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
    # What the runs are of: the frame's content, with differences of other backups applied.
    content: bytes | bytearray = b""

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
        self._differences.naming = naming_damaged
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
        found, at = LiveFrame(whole=may_stay, content=frame.content), 0
        for extent in frame.extents:
            targets = self._uses[depth].get(extent.file, ())
            for target in targets:
                # Of a block that two files have, the difference is of one of them.
                alone = depth == 0 and len(targets) == 1
                states = self._join_into(found, target, extent, at) if alone else bytearray()
                self._take_extent_live(depth, target, extent, at, found, states)
            if not targets:
                self._leave(found, extent.offset, at, extent.length)
            found.whole = found.whole and len(targets) < 2
            at += extent.length
        if not found.whole:
            found.runs = [run for run in found.runs if run.file != self.nobody]
        return found

    def _join_into(
        self, found: LiveFrame, target: TargetFile, extent: Extent, at: int
    ) -> bytearray:
        """Apply the differences that links have of an extent of the full backup."""
        states = self._joining.states_of(target, *first_and_end(extent))
        if FullBlock.OTHERS in states:
            if not isinstance(found.content, bytearray):
                found.content = bytearray(found.content)
            self._joining.join(target, extent, found.content, at, states)
            if FullBlock.JOINED in states or FullBlock.OWN in states:
                found.whole = False
        return states

    def _take_extent_live(
        self,
        depth: int,
        target: TargetFile,
        extent: Extent,
        at: int,
        found: LiveFrame,
        states: bytearray,
    ) -> None:
        """Take what a file needs of an extent, which is at ``at`` in its frame."""
        first, end = first_and_end(extent)
        file_end = min(target.file.size, self._sizes[depth].get(extent.file, 0))
        if (
            extent.offset % BLOCK_BYTES
            or extent.length % BLOCK_BYTES
            or extent.offset + extent.length > file_end
            or target.has_changes(first, end)
            or self._tables[depth].has_changes(extent.file, first, end)
        ):
            content = memoryview(found.content)[at : at + extent.length]
            self._take_blocks(depth, target, extent, at, content, found, states)
            return
        places, last = target.places.between(first, end), 0
        if states:
            alive = states.translate(IS_RIGHT)
        else:
            alive = bytearray(place == depth for place in places)
            if depth == self._own:
                # All that it stored, whatever the table says, but for what was taken.
                alive = bytearray(place != TAKEN for place in places)
        for start, stop in [*runs_with(alive, 1), (len(alive), len(alive))]:
            place = at + last * BLOCK_BYTES
            self._leave(found, (first + last) * BLOCK_BYTES, place, (start - last) * BLOCK_BYTES)
            if start < stop:
                place = at + start * BLOCK_BYTES
                self._take_run(depth, target, (first + start, first + stop), place, found)
            last = stop

    def _take_run(
        self, depth: int, target: TargetFile, run: tuple[int, int], at: int, found: LiveFrame
    ) -> None:
        """Take blocks in a row, each as a whole, that are the file's."""
        first, end = run
        number, length = target.file.number, (end - first) * BLOCK_BYTES
        hashes = self._table.hasher.hash_all(memoryview(found.content)[at : at + length])
        known, _ = self._table.find_all(number, first, end - first)
        if hashes != known:
            self._refuse(target, first, hashes, known)
        if self._table.hasher.zero not in hashes and self._claim(target, first, end):
            found.add(LiveRun(number, first * BLOCK_BYTES, at, length))
            return
        for block in range(first, end):
            start = (block - first) * HASH_BYTES
            zero = hashes[start : start + HASH_BYTES] == self._table.hasher.zero
            offset, place = block * BLOCK_BYTES, at + (block - first) * BLOCK_BYTES
            if self._is_first(target, block) and not zero:
                found.add(LiveRun(number, offset, place, BLOCK_BYTES))
            else:
                self._leave(found, offset, place, BLOCK_BYTES)

    def _refuse(self, target: TargetFile, first: int, hashes: bytes, known: bytes) -> None:
        for at in range(0, len(hashes), HASH_BYTES):
            if hashes[at : at + HASH_BYTES] != known[at : at + HASH_BYTES]:
                block = first + at // HASH_BYTES
                _, depth = self._table.find_first(target.file.number, block)
                with naming_damaged(self.chain[depth if depth <= self._own else self._own]):
                    raise ArchiveError(_mismatch(target, block))

    def _claim(self, target: TargetFile, first: int, end: int) -> bool:
        """Whether none of some blocks in a row was taken before. They are by now."""
        with self._lock:
            return target.places.claim(first, end)

    def _leave(self, found: LiveFrame, offset: int, at: int, length: int) -> None:
        """Bytes that are in no file. Zeros may stay in their frame: they take no place."""
        found.add(LiveRun(self.nobody, offset, at, length))
        if found.whole and length:
            found.whole = not _has_bytes(memoryview(found.content)[at : at + length])

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
        states: bytearray,
    ) -> None:
        """Take it block by block: only parts of some may be there, or later phases override."""
        end = extent.offset + extent.length
        if depth == self._own and end > target.file.size:
            raise ArchiveError(f"a frame reaches past the end of {target.file.path}")
        file_end = min(target.file.size, self._sizes[depth].get(extent.file, 0))
        start, first = extent.offset, extent.offset // BLOCK_BYTES
        while start < end:
            block, place = start // BLOCK_BYTES, at + start - extent.offset
            stop = min(end, (block + 1) * BLOCK_BYTES)
            after = min((block + 1) * BLOCK_BYTES, file_end)
            sent = content[start - extent.offset : stop - extent.offset]
            # What is beyond the end of either file is cut off.
            part = sent[: max(after - start, 0)]
            whole = start == block * BLOCK_BYTES and stop >= after
            joined = bool(states) and states[block - first] in (FullBlock.JOINED, FullBlock.OWN)
            fate = self._judge(depth, target, extent.file, block, part, whole=whole, joined=joined)
            kept = len(part) if fate is _Fate.TAKEN else 0
            found.add(LiveRun(target.file.number, start, place, kept))
            if kept < len(sent):
                self._leave(found, start + kept, place + kept, len(sent) - kept)
            if fate is _Fate.PART and (
                whole_block := self._join(target, block, start, part, after)
            ):
                found.joined.append(
                    (Extent(target.file.number, block * BLOCK_BYTES, len(whole_block)), whole_block)
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
        joined: bool,
    ) -> _Fate:
        change = target.changes.get(block)
        if depth == self._own and change == UNKNOWN:
            return _Fate.TAKEN
        if change is None or change == UNKNOWN:
            wanted, place = self._table.find_first(target.file.number, block)
            if depth != self._own and place != depth and not joined:
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
            raise ArchiveError(_mismatch(target, block))
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


def _mismatch(target: TargetFile, block: int) -> str:
    return f"block {block} of {target.file.path} is not what the table says"


def _has_bytes(content: memoryview) -> bool:
    """Whether anything but zeros is there."""
    # Bytes are compared at once, a view item by item.
    blocks = (content[at : at + BLOCK_BYTES] for at in range(0, len(content), BLOCK_BYTES))
    return any(block.tobytes() != _ZEROS[: len(block)] for block in blocks)
