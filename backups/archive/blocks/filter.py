"""Which bytes of an engine's copy does the base not have?

The filter stands between the engine and the archive. It hashes every block and drops those that
the base's table has at the same place of the same file. What is left and what the base has are
together, byte for byte, the copy that the engine sent: nothing is known here of InnoDB but where
the id of a tablespace is, and a file that is compared with the wrong one costs space, not truth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from backups.archive.blocks.builder import FrameWriter, TableBuilder
from backups.archive.blocks.hashing import (
    BLOCK_BYTES,
    HASH_BYTES,
    UNKNOWN,
    BlockHasher,
    block_of,
    new_block_key,
)
from backups.archive.blocks.places import runs_with
from backups.archive.blocks.reading import StoredTable
from backups.archive.blocks.table import MOST_SHARED, ZERO, BlockTable, uses_of
from backups.archive.meter import Meter
from backups.archive.records import (
    Data,
    FileClosed,
    FileOpened,
    FileRemoved,
    PhaseStarted,
    Record,
)

# Where a page has its number and its tablespace's id; innodb/pages.py has the source.
_PAGE_NUMBER = slice(4, 8)
_SPACE_ID = slice(34, 38)
_WITH_SPACE_ID = (".ibd", ".ibu")


@dataclass(frozen=True, slots=True)
class ChangedBlocks(Data):
    """Whole blocks, stored for the first time, of a file that the full backup has too."""

    # The number of the file there.
    full_file: int


class _Run(NamedTuple):
    """Bytes of a block that were sent one after the other."""

    start: int
    content: bytearray


@dataclass(slots=True)
class _Partial:
    """A block of which only parts were sent until now."""

    runs: list[_Run] = field(default_factory=list)

    def add(self, start: int, piece: memoryview) -> None:
        if self.runs and self.runs[-1].start + len(self.runs[-1].content) == start:
            self.runs[-1].content.extend(piece)
        else:
            self.runs.append(_Run(start, bytearray(piece)))

    def overlaps(self, start: int, length: int) -> bool:
        return any(
            start < run.start + len(run.content) and run.start < start + length for run in self.runs
        )

    @property
    def is_whole(self) -> bool:
        return sum(len(run.content) for run in self.runs) == BLOCK_BYTES

    def content(self) -> bytes:
        """Return the block; what was not sent reads as zeros."""
        block = bytearray(BLOCK_BYTES)
        for start, piece in self.runs:
            block[start : start + len(piece)] = piece
        return bytes(block)


@dataclass(slots=True)
class _File:
    """A file that is being sent."""

    path: str
    # Whether every block so far was sent for the first time.
    fresh: bool = True
    matched: bool = False
    # The number of the same file in the base; None where there is none.
    base: int | None = None
    partial: dict[int, _Partial] = field(default_factory=dict)


class BlockFilter:
    """Makes the block table of a backup, and drops what its base has. Used by one thread."""

    def __init__(self, base: StoredTable | None, write_frame: FrameWriter, meter: Meter) -> None:
        """``base`` is the table of the backup to go on from; None for a full backup."""
        self._base, self._meter = base, meter
        self._key = new_block_key() if base is None else base.blocks.key
        self._hasher = BlockHasher(self._key) if base is None else base.hasher
        self._ancestors = () if base is None else (*base.blocks.ancestors, base.as_ancestor())
        self._depth = len(self._ancestors)
        self._zero = memoryview(self._hasher.zero).cast("Q")[0]
        self._table = TableBuilder(write_frame, self._hasher.zero)
        self._files: dict[int, _File] = {}
        self._sources: dict[int, tuple[int, ...]] = {}
        # Of each file of each backup that is needed: how many files may take blocks from it.
        self._shared: Counter[tuple[int, int]] = Counter()
        self._spaces: dict[int, int] = {}

    def take(self, record: Record) -> Iterator[Record]:
        """Yield what has to be stored because of a record."""
        match record:
            case Data():
                yield from self._take_data(record)
            case FileOpened():
                self._files[record.file] = _File(record.path)
                yield record
            case FileClosed():
                yield from self._end_file(record.file)
                yield record
            case FileRemoved():
                self._files.pop(record.file, None)
                self._table.forget(record.file)
                yield record
            case PhaseStarted():
                for number in self._files:
                    yield from self._end_file(number)
                yield record
            case _:
                yield record

    def finish(self, listed: Iterable[int]) -> BlockTable:
        """Return the table, written. ``listed`` are the files that the backup has in the end."""
        return self._table.finish(
            listed,
            key=self._key,
            ancestors=self._ancestors,
            sources=self._sources,
            spaces=self._spaces,
        )

    def _take_data(self, data: Data) -> Iterator[Record]:
        file = self._files[data.file]
        if not data.payload:
            return
        if not file.matched:
            self._match(data.file, file, data)
        if not file.fresh:
            yield from self._override(data)
            return
        start, end = data.offset, data.offset + len(data.payload)
        head = min(end, -(-start // BLOCK_BYTES) * BLOCK_BYTES)
        tail = max(head, end // BLOCK_BYTES * BLOCK_BYTES)
        for part_start, part_end in ((start, head), (head, tail), (tail, end)):
            if part_start == part_end:
                continue
            part = data.payload[part_start - start : part_end - start]
            if part_start == head and part_end == tail:
                yield from self._take_whole(data.file, file, part_start, part)
            else:
                yield from self._take_part(data.file, file, part_start, part)

    def _take_whole(
        self, number: int, file: _File, offset: int, content: memoryview
    ) -> Iterator[Record]:
        """Blocks that were sent as a whole: one record for those in a row that are stored."""
        first, start = block_of(offset), 0
        for block in self._sent_before(number, file, first, len(content) // BLOCK_BYTES):
            at = (block - first) * BLOCK_BYTES
            yield from self._take_new(number, file, offset + start, content[start:at])
            start = at + BLOCK_BYTES
            if block in file.partial:
                # What was sent of it before comes first: the whole overrides it.
                yield from self._end_part(number, file, block)
            yield from self._override(Data(number, offset + at, content[at:start]))
        yield from self._take_new(number, file, offset + start, content[start:])

    def _sent_before(self, number: int, file: _File, first: int, blocks: int) -> list[int]:
        """Return those of some blocks in a row of which bytes were sent in this phase."""
        seen = self._table.seen(number, first, blocks)
        if not file.partial:
            return seen
        return sorted({*seen, *(each for each in file.partial if first <= each < first + blocks)})

    def _take_new(
        self, number: int, file: _File, offset: int, content: memoryview
    ) -> Iterator[Record]:
        """Blocks that were not sent before."""
        if not content:
            return
        places = self._enter(number, file, block_of(offset), self._hasher.hash_all(content))
        if self._base is None:
            yield Data(number, offset, content)
            return
        needed = places.count(self._depth)
        self._meter.unchanged_bytes += len(content) - needed * BLOCK_BYTES
        if needed:
            for first, end in runs_with(places, self._depth):
                start, stop = first * BLOCK_BYTES, end * BLOCK_BYTES
                yield self._changed(number, offset + start, _own(content, start, stop))

    def _changed(self, number: int, offset: int, content: memoryview) -> Data:
        sources = self._sources.get(number)
        if sources and sources[0]:
            return ChangedBlocks(number, offset, content, sources[0])
        return Data(number, offset, content)

    def _enter(self, number: int, file: _File, first: int, hashes: bytes) -> bytes:
        """Enter blocks in a row into the table, and return where each is stored."""
        if self._base is not None and file.base is not None:
            known, held = self._base.find_all(file.base, first, len(hashes) // HASH_BYTES)
        else:
            known, held = bytes(len(hashes)), bytes(len(hashes) // HASH_BYTES)
        places = bytearray(held)
        same = known == hashes
        # Hashes as numbers: there are many, and it is only asked which are equal.
        found, before = memoryview(hashes).cast("Q"), memoryview(known).cast("Q")
        if not same:
            for place, (digest, other) in enumerate(zip(found, before, strict=True)):
                if digest != other:
                    places[place] = self._depth
        if self._hasher.zero in hashes:
            for place, digest in enumerate(found):
                if digest == self._zero:
                    # Nothing is written there: files of a restore begin as zeros.
                    places[place] = ZERO
        self._table.add_all(number, first, hashes, places)
        return bytes(places)

    def _take_part(
        self, number: int, file: _File, offset: int, piece: memoryview
    ) -> Iterator[Record]:
        """A piece of a block: it is judged once all of it is there, or its file ends."""
        place, start = block_of(offset), offset % BLOCK_BYTES
        if self._table.is_seen(number, place):
            yield from self._override(Data(number, offset, piece))
            return
        partial = file.partial.setdefault(place, _Partial())
        if partial.overlaps(start, len(piece)):
            yield from self._end_part(number, file, place)
            yield from self._override(Data(number, offset, piece))
            return
        if self._base is None:
            yield Data(number, offset, piece)
        partial.add(start, piece)
        if partial.is_whole:
            yield from self._end_part(number, file, place)

    def _end_part(self, number: int, file: _File, place: int) -> Iterator[Record]:
        partial = file.partial.pop(place)
        (held,) = self._enter(number, file, place, self._hasher.hash(partial.content()))
        if self._base is None:
            # Stored as it came.
            return
        if held != self._depth:
            self._meter.unchanged_bytes += BLOCK_BYTES
            return
        for offset, content in partial.runs:
            yield Data(number, place * BLOCK_BYTES + offset, memoryview(content))

    def _end_file(self, number: int) -> Iterator[Record]:
        """What follows of the file overrides what was sent."""
        file = self._files.get(number)
        if file is None or not file.fresh:
            return
        for place in sorted(file.partial):
            yield from self._end_part(number, file, place)
        self._table.end_file(number)
        file.fresh = False

    def _override(self, data: Data) -> Iterator[Record]:
        """Bytes of a later phase are stored, whatever they are: they replace others' here."""
        if self._files[data.file].fresh:
            # Sent again in the same phase, whose frames are put into files in any order.
            yield PhaseStarted()
        start, end = data.offset, data.offset + len(data.payload)
        for place in range(block_of(start), block_of(end - 1) + 1):
            at = place * BLOCK_BYTES
            whole = start <= at and at + BLOCK_BYTES <= end
            block = data.payload[at - start : at - start + BLOCK_BYTES] if whole else None
            digest = self._hasher.hash(block) if block is not None else UNKNOWN
            self._table.change(data.file, place, digest)
        yield data

    def _match(self, number: int, file: _File, data: Data) -> None:
        """Find the same file in the base: by the id of its tablespace, else by its path."""
        file.matched = True
        space = _space_of(file.path, data)
        if space is not None:
            self._spaces[number] = space
        if self._base is None:
            return
        base = self._base.by_space.get(space) if space is not None else None
        base = self._base.files.get(file.path) if base is None else base
        if not base:
            return
        sources = self._base.sources_of(base)
        if any(self._shared[use] >= MOST_SHARED for use in uses_of(sources)):
            # A restore looks each block up for all of them.
            return
        self._shared.update(uses_of(sources))
        file.base = base
        self._sources[number] = sources


def _space_of(path: str, data: Data) -> int | None:
    """Return the tablespace's id, if the bytes are the first page of one."""
    page = data.payload
    if data.offset or len(page) < _SPACE_ID.stop or not path.endswith(_WITH_SPACE_ID):
        return None
    if bytes(page[_PAGE_NUMBER]) != bytes(4):
        return None
    return int.from_bytes(page[_SPACE_ID], "big") or None


def _own(content: memoryview, start: int, end: int) -> memoryview:
    """Return a part of a buffer, copied where it would keep much more memory than it has."""
    part = content[start:end]
    return part if 2 * len(part) >= len(content) else memoryview(bytes(part))
