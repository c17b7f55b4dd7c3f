"""How is the block table of a backup stored and described?

The table is a stream of bytes, cut into frames of their own, whose extents are of the file number
``TABLE_FILE`` that no backup lists. A *piece* is the table of up to 4,096 blocks of one file in a
row, the first a multiple of 4,096: the hashes, 8 bytes each, then where each block is stored, a
byte each. *Changes* are blocks that a later phase overrode: u32 file, u64 block, 8 bytes hash.
docs/format.md specifies it.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import UUID

from backups.archive.about import is_label
from backups.archive.blocks.hashing import BLOCK_BYTES, HASH_BYTES, KEY_BYTES
from backups.exceptions import ArchiveError

# The file number of the table's extents. Readers skip extents of files that are not listed.
TABLE_FILE = 0xFFFFFFFF
PIECE_BLOCKS = 4096
CHANGE = struct.Struct("<IQ8s")
# Where a block is stored: the number of a backup in its chain, the full one is 0; or nowhere,
# because it is all zeros.
ZERO = 255
# The full backup and those based on it; numbers above are kept for other meanings.
MOST_BACKUPS = 200
# Files that take blocks from one file of another backup: each of its blocks is looked up for all.
MOST_SHARED = 32
_MOST = 1 << 63
_MOST_BLOCKS = _MOST // BLOCK_BYTES


class Ancestor(NamedTuple):
    """A backup that this one needs."""

    uuid: str
    label: str
    # Of its manifest.
    digest: str


class TablePiece(NamedTuple):
    """The table of some blocks of a file: where in the stream of the table it begins."""

    file: int
    first_block: int
    blocks: int
    offset: int


class TableFrame(NamedTuple):
    """A frame of the table, and which part of the stream it holds."""

    frame: int
    offset: int
    length: int


class ChangePiece(NamedTuple):
    """Where changes are in the stream of the table."""

    offset: int
    blocks: int


@dataclass(frozen=True, slots=True)
class BlockTable:
    """What a manifest says of the blocks of its backup."""

    key: bytes
    # From the full backup to the base; empty for a full one.
    ancestors: Sequence[Ancestor]
    pieces: Sequence[TablePiece]
    frames: Sequence[TableFrame]
    changes: Sequence[ChangePiece]
    # By file number: the numbers of the same file in each ancestor; 0 where it was not found.
    sources: dict[int, Sequence[int]]
    # By file number: the tablespace's id.
    spaces: dict[int, int]
    # How many of its frames hold differences from the full backup's blocks.
    differences: int = 0

    @property
    def depth(self) -> int:
        """The number of this backup in its chain."""
        return len(self.ancestors)

    def as_json(self) -> dict[str, Any]:
        return {
            "block_bytes": BLOCK_BYTES,
            "key": self.key.hex(),
            "ancestors": [list(each) for each in self.ancestors],
            "pieces": [list(each) for each in self.pieces],
            "frames": [list(each) for each in self.frames],
            "changes": [list(each) for each in self.changes],
            "sources": [[file, list(numbers)] for file, numbers in self.sources.items()],
            "spaces": [[file, space] for file, space in self.spaces.items()],
            "differences": self.differences,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> BlockTable:
        """Build it from a manifest; ArchiveError for what no writer produces."""
        if fields["block_bytes"] != BLOCK_BYTES:
            raise ArchiveError(f"manifest has blocks of {str(fields['block_bytes'])[:40]} bytes")
        table = cls(
            bytes.fromhex(fields["key"]),
            tuple(Ancestor(*each) for each in fields["ancestors"]),
            tuple(TablePiece(*each) for each in fields["pieces"]),
            tuple(TableFrame(*each) for each in fields["frames"]),
            tuple(ChangePiece(*each) for each in fields["changes"]),
            {file: tuple(numbers) for file, numbers in fields["sources"]},
            dict(fields["spaces"]),
            fields.get("differences", 0),
        )
        table._check()
        return table

    def _check(self) -> None:
        if len(self.key) != KEY_BYTES or len(self.ancestors) >= MOST_BACKUPS:
            raise ArchiveError("manifest has a block table that no writer produces")
        for each in self.ancestors:
            if not is_label(each.label) or not _is_identity(each):
                raise ArchiveError(f"manifest names {str(each)[:200]} as what it needs")
        _check_numbers(self.pieces)
        _check_numbers(self.frames)
        _check_numbers(self.changes)
        _check_numbers(self.sources.values())
        _check_numbers(self.spaces.items())
        _check_numbers([tuple(self.sources), (self.differences,)])
        if self.differences and not self.depth:
            raise ArchiveError("manifest has differences in a backup that needs no other")
        if any(len(numbers) != self.depth for numbers in self.sources.values()):
            raise ArchiveError("manifest has sources of its files for another chain")
        shared = Counter(use for each in self.sources.values() for use in uses_of(each))
        if any(files > MOST_SHARED for files in shared.values()):
            raise ArchiveError("manifest takes too many files from one file of another backup")
        self._check_stream()

    def _check_stream(self) -> None:
        """Frames follow each other, and hold all that is said to be in them."""
        end = 0
        for frame in self.frames:
            if frame.offset != end or not frame.length:
                raise ArchiveError(f"manifest misplaces frame {frame.frame} of its block table")
            end += frame.length
        if any(a.frame >= b.frame for a, b in pairwise(self.frames)):
            raise ArchiveError("manifest lists frames of its block table out of order")
        self._check_pieces()
        parts = [(each.offset, each.blocks * (HASH_BYTES + 1)) for each in self.pieces]
        parts += [(each.offset, each.blocks * CHANGE.size) for each in self.changes]
        # What is read of a table is never more than what is stored of it.
        reached = 0
        for offset, length in sorted(parts):
            if offset < reached or not length:
                raise ArchiveError("manifest has a part of its block table twice, or an empty one")
            reached = offset + length
        if reached > end:
            raise ArchiveError(
                f"manifest has a block table of {end} bytes that reaches to {reached}"
            )

    def _check_pieces(self) -> None:
        for piece in self.pieces:
            aligned = piece.first_block % PIECE_BLOCKS == 0 and piece.first_block < _MOST_BLOCKS
            if not aligned or not 0 < piece.blocks <= PIECE_BLOCKS:
                raise ArchiveError(
                    f"manifest has {piece.blocks} blocks from {piece.first_block} on in a piece of "
                    "its block table"
                )
        if any(a[:2] >= b[:2] for a, b in pairwise(self.pieces)):
            raise ArchiveError("manifest lists pieces of its block table out of order")


def _is_identity(each: Ancestor) -> bool:
    texts = isinstance(each.uuid, str) and isinstance(each.digest, str)
    return texts and str(UUID(each.uuid)) == each.uuid


def _check_numbers(rows: Any) -> None:
    for row in rows:
        if any(type(value) is not int or not 0 <= value < _MOST for value in row):
            raise ArchiveError(f"manifest has {str(row)[:80]} in its block table")


def uses_of(sources: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the number of each backup that has a file, and the file's number there."""
    return ((depth, number) for depth, number in enumerate(sources) if number)


def split_piece(content: bytes, blocks: int) -> tuple[bytes, bytes]:
    """Return hashes and places of a piece."""
    return content[: blocks * HASH_BYTES], content[blocks * HASH_BYTES :]


def split_changes(content: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield file, block and hash of each change."""
    return CHANGE.iter_unpack(content)
