"""What does the table of a stored backup say of a block?

Pieces are read when they are needed, a few at a time: a table is as long as half a thousandth
of its backup.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from threading import Lock
from typing import TypeVar

from backups.archive.blocks.hashing import HASH_BYTES, UNKNOWN, BlockHasher
from backups.archive.blocks.table import (
    CHANGE,
    PIECE_BLOCKS,
    TABLE_FILE,
    ZERO,
    Ancestor,
    BlockTable,
    TablePiece,
    split_changes,
    split_piece,
)
from backups.archive.frames import Frame
from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError, RepositoryError

Key = TypeVar("Key")
Value = TypeVar("Value")

PIECES_KEPT = 64
FRAMES_KEPT = 4


@dataclass(frozen=True, slots=True)
class PieceContent:
    """Hashes and places of blocks of a file in a row, as after the first phase."""

    first_block: int
    hashes: bytes
    places: bytes

    @property
    def end(self) -> int:
        return self.first_block + len(self.places)

    def hash_of(self, block: int) -> bytes:
        start = (block - self.first_block) * HASH_BYTES
        return self.hashes[start : start + HASH_BYTES]


class StoredTable:
    """The block table of a stored backup. Its methods may be called from many threads."""

    def __init__(self, reader: BackupReader, others: Sequence[BackupReader] = ()) -> None:
        """``others`` read the same manifest in other repositories, where ``reader`` fails."""
        blocks = reader.manifest.contents.blocks
        if blocks is None:
            raise ArchiveError(
                f"{reader.manifest.envelope.label} has no block table",
                hint="It is of an earlier version: take a full backup to go on from.",
            )
        self.blocks: BlockTable = blocks
        self.hasher = BlockHasher(blocks.key)
        self._readers, self._lock = [reader, *others], Lock()
        self._frames: OrderedDict[int, bytes] = OrderedDict()
        self._contents: OrderedDict[TablePiece, PieceContent] = OrderedDict()
        self._ends = [frame.offset for frame in blocks.frames]
        self._pieces = {
            file: list(pieces)
            for file, pieces in groupby(blocks.pieces, key=lambda piece: piece.file)
        }
        self._changes = _read_changes(blocks, self._read)
        # Blocks are mostly looked up in the order they have in their file.
        self._last: OrderedDict[int, PieceContent] = OrderedDict()
        self.files = {file.path: file.number for file in reader.manifest.contents.files}
        listed = set(self.files.values())
        self.by_space = {space: file for file, space in blocks.spaces.items() if file in listed}

    def check_readable(self) -> None:
        """Read all of the table once; ArchiveError or RepositoryError where it cannot be."""
        for frame in self.blocks.frames:
            self._read_frame(frame.frame, frame.offset, frame.length)

    def as_ancestor(self) -> Ancestor:
        reader = self._readers[0]
        manifest = reader.manifest
        return Ancestor(str(reader.backup), manifest.envelope.label, manifest.digest)

    def sources_of(self, file: int) -> tuple[int, ...]:
        """Return the numbers of a file in every backup of the chain, this one last."""
        none = (0,) * self.blocks.depth
        return (*self.blocks.sources.get(file, none), file)

    def find(self, file: int, block: int) -> tuple[bytes, int]:
        """Return the final hash of a block and where it is stored.

        The hash is ``UNKNOWN`` where the block was never seen as a whole, or is beyond the table.
        """
        changes = self._changes.get(file)
        if changes is not None and (digest := changes.find(block)) is not None:
            return digest, self.blocks.depth
        return self.find_first(file, block)

    def find_first(self, file: int, block: int) -> tuple[bytes, int]:
        """Return the hash of a block as it was after the first phase, and where it is stored."""
        content = self._piece_with(file, block)
        if content is None:
            return UNKNOWN, ZERO
        return content.hash_of(block), content.places[block - content.first_block]

    def find_all(self, file: int, first: int, blocks: int) -> tuple[bytes, bytes]:
        """Return the final hashes of blocks in a row, and where each is stored, as ``find``."""
        hashes, places = self._find_all_first(file, first, blocks)
        changes = self._changes.get(file)
        if changes is None:
            return hashes, places
        new_hashes, new_places = bytearray(hashes), bytearray(places)
        for block, digest in changes.between(first, first + blocks):
            at = block - first
            new_hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES] = digest
            new_places[at] = self.blocks.depth
        return bytes(new_hashes), bytes(new_places)

    def _find_all_first(self, file: int, first: int, blocks: int) -> tuple[bytes, bytes]:
        hashes, places = bytearray(), bytearray()
        end = first + blocks
        while first < end:
            content = self._piece_with(file, first)
            stop = min(end, (first // PIECE_BLOCKS + 1) * PIECE_BLOCKS)
            if content is not None:
                start = first - content.first_block
                known = min(stop, content.end) - content.first_block
                hashes += content.hashes[start * HASH_BYTES : known * HASH_BYTES]
                places += content.places[start:known]
                first = content.first_block + known
            hashes += UNKNOWN * (stop - first)
            places += bytes((ZERO,)) * (stop - first)
            first = stop
        return bytes(hashes), bytes(places)

    def is_changed(self, file: int, block: int) -> bool:
        """Whether a later phase of the backup overrides a block."""
        changes = self._changes.get(file)
        return changes is not None and changes.find(block) is not None

    def has_changes(self, file: int, first: int, end: int) -> bool:
        """Whether a later phase of the backup overrides one of some blocks in a row."""
        changes = self._changes.get(file)
        return changes is not None and any(True for _ in changes.between(first, end))

    def changed_between(self, file: int, first: int, end: int) -> Iterator[int]:
        """Yield those of some blocks in a row that a later phase of the backup overrides."""
        changes = self._changes.get(file)
        if changes is not None:
            yield from (block for block, _ in changes.between(first, end))

    def changes_of(self, file: int) -> Iterator[tuple[int, bytes]]:
        """Yield the blocks that later phases override, with their final hashes."""
        changes = self._changes.get(file)
        if changes is not None:
            yield from changes.all()

    def pieces_of(self, file: int) -> Iterator[PieceContent]:
        """Yield what is known of the first phase of a file, in order."""
        for piece in self._pieces.get(file, ()):
            yield self._content(piece)

    def _piece_with(self, file: int, block: int) -> PieceContent | None:
        last = self._last.get(file)
        if last is not None and last.first_block <= block < last.end:
            return last
        pieces = self._pieces.get(file)
        if not pieces:
            return None
        place = bisect_right(pieces, block, key=lambda piece: piece.first_block) - 1
        if place < 0 or block >= pieces[place].first_block + pieces[place].blocks:
            return None
        found = self._content(pieces[place])
        with self._lock:
            _keep(self._last, file, found, PIECES_KEPT)
        return found

    def _content(self, piece: TablePiece) -> PieceContent:
        with self._lock:
            found = self._contents.get(piece)
            if found is None:
                content = self._read(piece.offset, piece.blocks * (HASH_BYTES + 1))
                found = PieceContent(piece.first_block, *split_piece(content, piece.blocks))
                _keep(self._contents, piece, found, PIECES_KEPT)
        return found

    def _read(self, offset: int, length: int) -> bytes:
        """Return a part of the table's stream, which is within one frame."""
        place = bisect_right(self._ends, offset) - 1
        frame = self.blocks.frames[place] if place >= 0 else None
        if frame is None or offset + length > frame.offset + frame.length:
            raise ArchiveError("block table has a piece that is in no frame")
        content = self._frames.get(frame.frame)
        if content is None:
            content = self._read_frame(frame.frame, frame.offset, frame.length)
            _keep(self._frames, frame.frame, content, FRAMES_KEPT)
        return content[offset - frame.offset : offset - frame.offset + length]

    def _read_frame(self, number: int, offset: int, length: int) -> bytes:
        frame = self._find_frame(number)
        if [tuple(extent) for extent in frame.extents] != [(TABLE_FILE, offset, length)]:
            raise ArchiveError(f"frame {number} is not the part of the block table it should be")
        return frame.content

    def _find_frame(self, number: int) -> Frame:
        while True:
            readers = self._readers
            try:
                return readers[0].find_frame(number)
            except RepositoryError:
                if len(readers) == 1:
                    raise
                # Where another thread was here before, its change is the same.
                self._readers = readers[1:]


class _Changes:
    """The overridden blocks of one file, in order."""

    def __init__(self) -> None:
        self._blocks, self._hashes = array("Q"), bytearray()

    def append(self, block: int, digest: bytes) -> None:
        if self._blocks and block <= self._blocks[-1]:
            raise ArchiveError("block table lists its changes out of order")
        self._blocks.append(block)
        self._hashes += digest

    def find(self, block: int) -> bytes | None:
        place = bisect_left(self._blocks, block)
        if place == len(self._blocks) or self._blocks[place] != block:
            return None
        return self._hash_at(place)

    def between(self, first: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Yield those of some blocks in a row."""
        places = range(bisect_left(self._blocks, first), bisect_left(self._blocks, end))
        return ((self._blocks[place], self._hash_at(place)) for place in places)

    def all(self) -> Iterator[tuple[int, bytes]]:
        return ((block, self._hash_at(place)) for place, block in enumerate(self._blocks))

    def _hash_at(self, place: int) -> bytes:
        return bytes(self._hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES])


def _read_changes(blocks: BlockTable, read: Callable[[int, int], bytes]) -> dict[int, _Changes]:
    found: dict[int, _Changes] = {}
    for piece in blocks.changes:
        for file, block, digest in split_changes(read(piece.offset, piece.blocks * CHANGE.size)):
            found.setdefault(file, _Changes()).append(block, digest)
    return found


def _keep(cache: OrderedDict[Key, Value], key: Key, value: Value, most: int) -> None:
    """Add to a cache, and drop what was added first."""
    cache[key] = value
    while len(cache) > most:
        cache.popitem(last=False)
