"""How many blocks of a file differ between two backups of one chain, by their tables of hashes?

No block is read. Hashes of two chains have different keys and cannot be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from backups.archive.blocks.hashing import BLOCK_BYTES, HASH_BYTES, UNKNOWN
from backups.archive.blocks.reading import StoredTable
from backups.archive.blocks.table import PIECE_BLOCKS, ZERO
from backups.archive.contents import StoredFile


class BlockCount(NamedTuple):
    """Blocks of a file or a table: all of them, those that differ, those nothing is known of."""

    blocks: int
    changed: int
    unknown: int

    def plus(self, other: BlockCount) -> BlockCount:
        return BlockCount(*(a + b for a, b in zip(self, other, strict=True)))


NO_BLOCKS = BlockCount(0, 0, 0)


def count_changed(
    before: StoredTable,
    after: StoredTable,
    files: tuple[StoredFile | None, StoredFile | None],
    check: Callable[[], None],
) -> BlockCount:
    """Count the blocks of a file that differ; one that only one backup has differs."""
    old, new = files
    sizes = [0 if file is None else -(-file.size // BLOCK_BYTES) for file in files]
    if old is None or new is None:
        return BlockCount(max(sizes), max(sizes), 0)
    changed = unknown = 0
    for first in range(0, min(sizes), PIECE_BLOCKS):
        check()
        blocks = min(PIECE_BLOCKS, min(sizes) - first)
        a = before.find_all(old.number, first, blocks)
        b = after.find_all(new.number, first, blocks)
        differing, unclear = _differing(_hashes(*a, before), _hashes(*b, after))
        changed, unknown = changed + differing, unknown + unclear
    return BlockCount(max(sizes), changed + max(sizes) - min(sizes), unknown)


def _hashes(hashes: bytes, places: bytes, table: StoredTable) -> bytes:
    """Return the hashes with that of zeros where nothing is stored."""
    if ZERO not in places or UNKNOWN not in hashes:
        return hashes
    return b"".join(
        table.hasher.zero if place == ZERO else hashes[at * HASH_BYTES : (at + 1) * HASH_BYTES]
        for at, place in enumerate(places)
    )


def _differing(a: bytes, b: bytes) -> tuple[int, int]:
    """Return how many hashes differ, and of how many that is unknown."""
    if a == b and UNKNOWN not in a:
        return 0, 0
    changed = unknown = 0
    # A hash of zeros is none.
    for old, new in zip(memoryview(a).cast("Q"), memoryview(b).cast("Q"), strict=True):
        if not old or not new:
            unknown += 1
        elif old != new:
            changed += 1
    return changed, unknown
