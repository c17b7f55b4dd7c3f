"""What is the difference that a backup of a chain has of a block?

So that a block of the full backup is put right before it is written: written once, and read from
nowhere but its frame. Bounded memory: a few opened frames, and of each frame where it is.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.frames import Frame
from backups.archive.packs import FramePlace
from backups.archive.reader import BackupReader

# 64 MiB of content: one frame or two of each link of a chain of the usual length.
FRAMES_KEPT = 16


class _FramePlace(NamedTuple):
    """Where a frame with differences is."""

    depth: int
    pack: int
    number: int
    offset: int
    stored_bytes: int


class DifferenceRun(NamedTuple):
    """The differences of blocks in a row."""

    first: int
    end: int
    content: memoryview

    def parted_by(self, chosen: Collection[int]) -> Iterator[DifferenceRun]:
        """Yield it in parts: either all blocks of a part are among the chosen, or none."""
        first = self.first
        while first < self.end:
            end = first + 1
            while end < self.end and (end in chosen) == (first in chosen):
                end += 1
            start, stop = ((block - self.first) * BLOCK_BYTES for block in (first, end))
            yield DifferenceRun(first, end, self.content[start:stop])
            first = end


class LinkedDifferences:
    """The differences of all backups of a chain. Many threads may look them up."""

    def __init__(self, chain: Sequence[BackupReader]) -> None:
        self._chain = chain
        # Around what is read of a backup, to name it in errors.
        self.naming: Callable[[BackupReader], AbstractContextManager[object]] = nullcontext
        self._rows: list[_FramePlace] = []
        # By the number of the backup, and of the file in it.
        self._noted: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        self._spans: dict[tuple[int, int], _Spans] = {}
        self._lock = Lock()
        self._kept: OrderedDict[int, _KeptDifference] = OrderedDict()
        self._read: dict[int, dict[int, int]] = {}

    def note(self, depth: int, pack: int, place: FramePlace) -> None:
        """Note a frame that holds differences."""
        spans: dict[int, tuple[int, int]] = {}
        for file, offset, length in place.extents:
            first, end = spans.get(file, (offset, offset))
            spans[file] = min(first, offset), max(end, offset + length)
        for file, (first, end) in spans.items():
            row = first // BLOCK_BYTES, -(-end // BLOCK_BYTES), len(self._rows)
            self._noted.setdefault((depth, file), []).append(row)
        self._rows.append(_FramePlace(depth, pack, place.number, place.offset, place.stored_bytes))

    def all_noted(self) -> None:
        """Have what was noted found from now on."""
        self._spans = {key: _Spans(noted) for key, noted in self._noted.items()}
        self._noted.clear()

    def has_any(self, depth: int, file: int) -> bool:
        """Whether a backup has differences of a file."""
        return (depth, file) in self._spans

    def may_have(self, depth: int, file: int, first: int, end: int) -> bool:
        """Whether a frame may have the difference of one of some blocks in a row."""
        spans = self._spans.get((depth, file))
        return spans is not None and any(True for _ in spans.rows_of(first, end))

    def spans(self, depth: int) -> Iterator[tuple[int, int, int]]:
        """Yield file, first and end of the blocks that each frame of a backup may have."""
        for (number, file), spans in self._spans.items():
            if number == depth:
                for first, end in spans.all():
                    yield file, first, end

    def find_runs(self, depth: int, file: int, blocks: Sequence[int]) -> Iterator[DifferenceRun]:
        """Yield the differences that a backup has of blocks, which are in order."""
        spans = self._spans.get((depth, file))
        if spans is None:
            return
        left = blocks
        for row, first, end in spans.rows_of(blocks[0], blocks[-1] + 1):
            place, after = bisect_left(left, first), bisect_left(left, end)
            if place == after:
                continue
            content = self._frame(row)
            starts = content.starts.get(file, {})
            missing: list[int] = []
            for run_first, run_end, at in _runs(starts, left[place:after], missing):
                length = (run_end - run_first) * BLOCK_BYTES
                yield DifferenceRun(run_first, run_end, content.view[at : at + length])
            left = [*left[:place], *missing, *left[after:]]
            if not left:
                return

    def read_of(self, depth: int) -> Mapping[int, int]:
        """Return the stored bytes of each frame of a backup that was read, by its number."""
        return self._read.get(depth, {})

    def _frame(self, row: int) -> _Content:
        """Return an opened frame; two threads that need the same one open it once."""
        with self._lock:
            kept = self._kept.setdefault(row, _KeptDifference())
            self._kept.move_to_end(row)
            while len(self._kept) > FRAMES_KEPT:
                self._kept.popitem(last=False)
        with kept.lock:
            if kept.content is None:
                kept.content = self._open(self._rows[row])
            return kept.content

    def _open(self, row: _FramePlace) -> _Content:
        reader = self._chain[row.depth]
        with self.naming(reader):
            frame = reader.read_difference(row.pack, row.number, row.offset, row.stored_bytes)
        with self._lock:
            self._read.setdefault(row.depth, {})[row.number] = row.stored_bytes
        return _Content(frame)


class _Content:
    """An opened frame, and for each file where in it the difference of a block begins."""

    def __init__(self, frame: Frame) -> None:
        self.view = memoryview(frame.content)
        self.starts: dict[int, dict[int, int]] = {}
        at = 0
        # They are of whole blocks, or the frame would not have opened.
        for file, offset, length in frame.extents:
            first = offset // BLOCK_BYTES
            blocks = range(first, first + length // BLOCK_BYTES)
            places = range(at, at + length, BLOCK_BYTES)
            self.starts.setdefault(file, {}).update(zip(blocks, places, strict=True))
            at += length


@dataclass(slots=True)
class _KeptDifference:
    lock: Lock = field(default_factory=Lock)
    content: _Content | None = None


class _Spans:
    """Which blocks of a file frames may have: of each the first one, the end, and its row."""

    def __init__(self, noted: Iterable[tuple[int, int, int]]) -> None:
        firsts, ends, rows = zip(*sorted(noted), strict=True)
        self._firsts, self._ends, self._rows = (
            array("Q", firsts),
            array("Q", ends),
            array("Q", rows),
        )
        self._longest = max(end - first for first, end in zip(firsts, ends, strict=True))

    def all(self) -> Iterator[tuple[int, int]]:
        return zip(self._firsts, self._ends, strict=True)

    def rows_of(self, first: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield the row of each frame that may have one of some blocks in a row, and its span."""
        place = bisect_left(self._firsts, end) - 1
        while place >= 0 and self._firsts[place] + self._longest > first:
            if self._ends[place] > first:
                yield self._rows[place], self._firsts[place], self._ends[place]
            place -= 1


def _runs(
    starts: Mapping[int, int], blocks: Sequence[int], missing: list[int]
) -> Iterator[tuple[int, int, int]]:
    """Yield first and end of blocks in a row that are so in a frame, and where they begin there.

    Blocks that are not in it are added to ``missing``.
    """
    first = end = begin = at = 0
    for block in blocks:
        place = starts.get(block)
        if place is None:
            missing.append(block)
            continue
        if block == end and place == at and first < end:
            end, at = end + 1, at + BLOCK_BYTES
            continue
        if first < end:
            yield first, end, begin
        first, end, begin, at = block, block + 1, place, place + BLOCK_BYTES
    if first < end:
        yield first, end, begin
