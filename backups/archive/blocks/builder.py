"""How is the table of a backup gathered while its bytes come?

Bounded memory: a piece is passed on as soon as it is complete, and at the latest when its file
ends or the first phase does. Kept are only the places of pieces, and what later phases override.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator

from backups.archive.blocks.hashing import HASH_BYTES
from backups.archive.blocks.table import (
    CHANGE,
    PIECE_BLOCKS,
    TABLE_FILE,
    ZERO,
    Ancestor,
    BlockTable,
    ChangePiece,
    TableFrame,
    TablePiece,
)
from backups.archive.frames import MAX_RAW_BYTES, Extent

# Of a block that was not seen yet. No backup has this number in its chain.
UNSEEN = 254
# Changes of this many blocks are one part of the stream.
CHANGES_AT_ONCE = 50_000

# Stores one frame by itself and returns its number.
FrameWriter = Callable[[list[Extent], list[memoryview]], int]


class TableBuilder:
    """The table of one backup. Used by one thread."""

    def __init__(self, write_frame: FrameWriter, zero: bytes) -> None:
        """``zero`` is the hash of a block of zeros."""
        self._write_frame, self._zero = write_frame, zero
        self._regions: dict[int, dict[int, _Region]] = {}
        self._complete: dict[int, set[int]] = {}
        self._buffer = bytearray()
        self._stream_offset = 0
        self._pieces: list[TablePiece] = []
        self._frames: list[TableFrame] = []
        self._changed = array("Q")
        self._changed_files = array("L")
        self._changed_hashes = bytearray()

    def is_seen(self, file: int, block: int) -> bool:
        region, place = divmod(block, PIECE_BLOCKS)
        if region in self._complete.get(file, ()):
            return True
        found = self._regions.get(file, {}).get(region)
        return found is not None and found.is_seen(place)

    def seen(self, file: int, first: int, blocks: int) -> list[int]:
        """Return those of some blocks in a row that were recorded before."""
        found: list[int] = []
        regions, complete = self._regions.get(file, {}), self._complete.get(file, ())
        for number, start, stop in _by_piece(first, blocks):
            region = regions.get(number)
            if number in complete:
                places: Iterable[int] = range(start, stop)
            else:
                places = () if region is None else region.seen_of(start, stop)
            found += (number * PIECE_BLOCKS + place for place in places)
        return found

    def add_all(self, file: int, first: int, hashes: bytes, stored: bytes | bytearray) -> None:
        """Record blocks in a row that were not recorded before.

        ``stored`` has a number for each, or ZERO.
        """
        regions, at = self._regions.setdefault(file, {}), 0
        for number, start, stop in _by_piece(first, len(stored)):
            region = regions.get(number)
            if region is None:
                region = regions[number] = _Region()
            end = at + stop - start
            region.add(start, hashes[at * HASH_BYTES : end * HASH_BYTES], stored[at:end])
            at = end
            if region.seen == PIECE_BLOCKS:
                self._emit(file, number, regions.pop(number))

    def add_piece(self, file: int, first_block: int, hashes: bytes, places: bytes) -> None:
        """Record blocks in a row of which nothing was recorded before."""
        offset = self._put(hashes + places)
        self._pieces.append(TablePiece(file, first_block, len(places), offset))

    def change(self, file: int, block: int, digest: bytes) -> None:
        """Record that this backup's own bytes override a block; the last one counts."""
        self._changed.append(block)
        self._changed_files.append(file)
        self._changed_hashes += digest

    def end_file(self, file: int) -> None:
        """Pass on what is known of a file: what follows of it is a change."""
        for number, region in sorted(self._regions.pop(file, {}).items()):
            self._emit(file, number, region)

    def end_all_files(self) -> None:
        for file in list(self._regions):
            self.end_file(file)

    def forget(self, file: int) -> None:
        self._regions.pop(file, None)

    def finish(
        self,
        listed: Iterable[int],
        *,
        key: bytes,
        ancestors: tuple[Ancestor, ...],
        sources: dict[int, tuple[int, ...]],
        spaces: dict[int, int],
    ) -> BlockTable:
        """Write what is left, and return what the manifest says of the table."""
        self.end_all_files()
        files = frozenset(listed)
        changes = tuple(self._write_changes(files))
        self._flush()
        return BlockTable(
            key,
            ancestors,
            tuple(sorted(piece for piece in self._pieces if piece.file in files)),
            tuple(self._frames),
            changes,
            {file: numbers for file, numbers in sources.items() if file in files},
            {file: space for file, space in spaces.items() if file in files},
        )

    def _emit(self, file: int, number: int, region: _Region) -> None:
        self._complete.setdefault(file, set()).add(number)
        self.add_piece(file, number * PIECE_BLOCKS, *region.content(self._zero))

    def _write_changes(self, files: frozenset[int]) -> Iterator[ChangePiece]:
        """The last hash of each block, in the order of files and blocks."""
        last = {
            (file, block): place
            for place, (file, block) in enumerate(
                zip(self._changed_files, self._changed, strict=True)
            )
            if file in files
        }
        keys = sorted(last)
        for start in range(0, len(keys), CHANGES_AT_ONCE):
            rows = keys[start : start + CHANGES_AT_ONCE]
            text = b"".join(CHANGE.pack(*key, self._hash_at(last[key])) for key in rows)
            yield ChangePiece(self._put(text), len(rows))

    def _hash_at(self, place: int) -> bytes:
        return bytes(self._changed_hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES])

    def _put(self, content: bytes) -> int:
        """Append to the stream of the table and return where; nothing is split over frames."""
        if len(self._buffer) + len(content) > MAX_RAW_BYTES:
            self._flush()
        offset = self._stream_offset + len(self._buffer)
        self._buffer += content
        return offset

    def _flush(self) -> None:
        if not self._buffer:
            return
        content, self._buffer = self._buffer, bytearray()
        extent = Extent(TABLE_FILE, self._stream_offset, len(content))
        frame = self._write_frame([extent], [memoryview(content)])
        self._frames.append(TableFrame(frame, self._stream_offset, len(content)))
        self._stream_offset += len(content)


class _Region:
    """A piece that is not complete. It grows with the highest block seen."""

    __slots__ = ("_hashes", "_places", "seen")

    def __init__(self) -> None:
        self._hashes = bytearray()
        self._places = bytearray()
        self.seen = 0

    def is_seen(self, place: int) -> bool:
        return place < len(self._places) and self._places[place] != UNSEEN

    def seen_of(self, start: int, stop: int) -> Iterable[int]:
        """Return those of some blocks in a row that were seen."""
        there = self._places[start:stop]
        if there.count(UNSEEN) == len(there):
            return ()
        return (place for place, stored in enumerate(there, start) if stored != UNSEEN)

    def add(self, place: int, hashes: bytes, stored: bytes | bytearray) -> None:
        """Enter blocks in a row."""
        if (missing := place - len(self._places)) > 0:
            self._places += bytes((UNSEEN,)) * missing
            self._hashes += bytes(HASH_BYTES * missing)
        end = place + len(stored)
        self._places[place:end] = stored
        self._hashes[place * HASH_BYTES : end * HASH_BYTES] = hashes
        self.seen += len(stored)

    def content(self, zero: bytes) -> tuple[bytes, bytes]:
        """Return hashes and places; what was never sent reads as zeros."""
        if self.seen < len(self._places):
            for place, stored in enumerate(self._places):
                if stored == UNSEEN:
                    self._hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES] = zero
                    self._places[place] = ZERO
        return bytes(self._hashes), bytes(self._places)


def _by_piece(first: int, blocks: int) -> Iterator[tuple[int, int, int]]:
    """Yield each piece that some blocks in a row are in, and which part of it they are."""
    end = first + blocks
    while first < end:
        number, start = divmod(first, PIECE_BLOCKS)
        stop = min(PIECE_BLOCKS, start + end - first)
        yield number, start, stop
        first += stop - start
