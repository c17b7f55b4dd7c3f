"""What does the full backup of a chain have at a place of a file?

Blocks of other backups may be stored as differences from it, so its bytes are read when such a
block is written and when it is opened. Bounded memory: a few indexes and a few frames are kept.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from threading import Lock
from typing import NamedTuple

from backups.archive.contents import StoredFile
from backups.archive.frames import Extent
from backups.archive.packs import FramePlace, PackIndex
from backups.archive.reader import BackupReader

# 64 MiB of content.
FRAMES_KEPT = 16
# Of all indexes that are kept; one has no more by itself.
EXTENTS_KEPT = 300_000
# A file in more packs is looked up in a list of them that is sorted once.
FEW_PACKS = 8


class _Piece(NamedTuple):
    """Bytes of a frame that belong into what is read."""

    pack: int
    place: FramePlace
    # Where they begin in the frame's content, and where in what is read.
    start: int
    target: int
    length: int


class _Row(NamedTuple):
    """An extent of a file: where it is in the content of which of the pack's frames."""

    offset: int
    length: int
    frame: int
    start: int


class FullBlocks:
    """The files of one full backup. Its methods may be called from many threads."""

    def __init__(self, reader: BackupReader) -> None:
        self._reader = reader
        self._files = {file.number: file for file in reader.manifest.contents.files}
        self._indexes_lock, self._frames_lock = Lock(), Lock()
        self._indexes: OrderedDict[int, _KeptIndex] = OrderedDict()
        self._extents_kept = 0
        # Of each pack that was looked at: the first and the last byte it has of each file.
        self._ranges: dict[int, Mapping[int, tuple[int, int]]] = {}
        self._packs: dict[int, _Packs] = {}
        self._frames: OrderedDict[int, _KeptFrame] = OrderedDict()

    def read(self, extents: Sequence[Extent]) -> bytes:
        """Return the bytes at all these places, one after the other, as a restore has them.

        What the backup has not is zeros, and so is a file with the number 0.
        """
        return self._read(self._pieces(extents), sum(extent.length for extent in extents))

    def read_near(self, extents: Sequence[Extent], most_bytes: int) -> bytes | None:
        """Return them, or None where frames of more bytes would have to be opened."""
        pieces = self._pieces(extents)
        frames = {piece.place.number: piece.place.raw_bytes for piece in pieces}
        if sum(frames.values()) > most_bytes:
            return None
        return self._read(pieces, sum(extent.length for extent in extents))

    def _pieces(self, extents: Sequence[Extent]) -> list[_Piece]:
        pieces: list[_Piece] = []
        target = 0
        for extent in extents:
            pieces += self._find(extent, target)
            target += extent.length
        # What a later phase wrote is in a later frame, and overrides.
        pieces.sort(key=lambda piece: piece.place.number)
        return pieces

    def _read(self, pieces: Sequence[_Piece], length: int) -> bytes:
        found = bytearray(length)
        for piece in pieces:
            content = self._content(piece.pack, piece.place)
            part = memoryview(content)[piece.start : piece.start + piece.length]
            found[piece.target : piece.target + piece.length] = part
        return bytes(found)

    def _find(self, extent: Extent, target: int) -> Iterator[_Piece]:
        """Yield what frames have of an extent, in any order."""
        file = self._files.get(extent.file)
        if file is None:
            return
        first, end = extent.offset, extent.offset + extent.length
        for number in self._packs_of(file).overlapping(first, end):
            index = self._index(number)
            for row in index.files[file.number].overlapping(first, end):
                start = max(row.offset, first)
                length = min(row.offset + row.length, end) - start
                at = row.start + start - row.offset
                yield _Piece(number, index.places[row.frame], at, target + start - first, length)

    def _packs_of(self, file: StoredFile) -> _Packs:
        found = self._packs.get(file.number)
        if found is None:
            numbers = range(max(1, file.first_pack), file.last_pack + 1)
            found = _Packs((*self._range(number, file.number), number) for number in numbers)
            if len(numbers) > FEW_PACKS:
                self._packs[file.number] = found
        return found

    def _range(self, number: int, file: int) -> tuple[int, int]:
        ranges = self._ranges.get(number)
        if ranges is None:
            files = self._index(number).files
            ranges = self._ranges[number] = {each: found.range for each, found in files.items()}
        return ranges.get(file, (0, 0))

    def _index(self, number: int) -> _Index:
        """Return a pack's index; whoever needs another one does not wait until it is read."""
        with self._indexes_lock:
            kept = self._indexes.setdefault(number, _KeptIndex())
            self._indexes.move_to_end(number)
        with kept.lock:
            if kept.index is None:
                kept.index = _Index(self._reader.read_index(number))
                self._count(number, kept, kept.index.extents)
            return kept.index

    def _count(self, number: int, kept: _KeptIndex, extents: int) -> None:
        """Drop what was used longest ago where there is too much with an index."""
        with self._indexes_lock:
            if self._indexes.get(number) is not kept:
                # Dropped while it was read.
                return
            kept.extents = extents
            self._extents_kept += extents
            while self._extents_kept > EXTENTS_KEPT and len(self._indexes) > 1:
                _, dropped = self._indexes.popitem(last=False)
                self._extents_kept -= dropped.extents

    def _content(self, pack: int, place: FramePlace) -> bytes:
        """Return a frame's content; two threads that need the same one open it once."""
        with self._frames_lock:
            kept = self._frames.setdefault(place.number, _KeptFrame())
            self._frames.move_to_end(place.number)
            while len(self._frames) > FRAMES_KEPT:
                self._frames.popitem(last=False)
        with kept.lock:
            if kept.content is None:
                kept.content = self._reader.read_frame(pack, place).content
            return kept.content


@dataclass(slots=True)
class _KeptIndex:
    lock: Lock = field(default_factory=Lock)
    index: _Index | None = None
    # As they were counted.
    extents: int = 0


@dataclass(slots=True)
class _KeptFrame:
    lock: Lock = field(default_factory=Lock)
    content: bytes | None = None


class _Packs:
    """The packs that have bytes of a file.

    In groups of about one length: a pack of a later phase, whose bytes are all over the file, does
    not make all packs before it be looked at.
    """

    def __init__(self, spans: Iterable[tuple[int, int, int]]) -> None:
        """``spans``: first and last byte of the file in a pack, and its number."""
        groups: dict[int, list[tuple[int, int, int]]] = {}
        for span in spans:
            if length := span[1] - span[0]:
                groups.setdefault(length.bit_length(), []).append(span)
        self._groups = [(1 << bits, sorted(found)) for bits, found in groups.items()]

    def overlapping(self, first: int, end: int) -> Iterator[int]:
        for longest, spans in self._groups:
            for _, ends, number in spans[_first(spans, first - longest) : _first(spans, end)]:
                if ends > first:
                    yield number


def _first(spans: Sequence[tuple[int, int, int]], offset: int) -> int:
    """Return the first that begins at an offset or after it."""
    return bisect_left(spans, offset, key=itemgetter(0))


class _Extents:
    """The extents of one file in one pack, in the order of their places in the file."""

    def __init__(self, rows: list[_Row]) -> None:
        self._rows = sorted(rows)
        self._longest = max(row.length for row in rows)
        self.range = self._rows[0].offset, max(row.offset + row.length for row in rows)

    def overlapping(self, first: int, end: int) -> Iterator[_Row]:
        place = bisect_left(self._rows, end, key=lambda row: row.offset)
        for row in reversed(self._rows[:place]):
            if row.offset + self._longest <= first:
                return
            if row.offset + row.length > first:
                yield row


class _Index:
    """What a pack has of each file."""

    def __init__(self, index: PackIndex) -> None:
        self.places = index.frames
        rows: dict[int, list[_Row]] = {}
        for frame, place in enumerate(index.frames):
            start = 0
            for file, offset, length in place.extents:
                if length:
                    rows.setdefault(file, []).append(_Row(offset, length, frame, start))
                start += length
        self.files = {file: _Extents(found) for file, found in rows.items()}
        self.extents = sum(len(found) for found in rows.values())
