"""What is the block table of a full backup that was made of a chain?

That of the chain's last backup, with the hashes as they finally were, and every block in the backup
itself. The key stays that of the chain, so no block has to be hashed again.
"""

from __future__ import annotations

from collections.abc import Iterable

from backups.archive.blocks.builder import FrameWriter, TableBuilder
from backups.archive.blocks.hashing import BLOCK_BYTES, HASH_BYTES, UNKNOWN
from backups.archive.blocks.reading import StoredTable
from backups.archive.blocks.table import PIECE_BLOCKS, ZERO, BlockTable
from backups.archive.contents import StoredFile

# The places of a full backup: in itself, or nowhere.
_OWN = bytes(ZERO if place == ZERO else 0 for place in range(256))


def merge_tables(
    last: StoredTable, files: Iterable[StoredFile], write_frame: FrameWriter
) -> BlockTable:
    """Write the table of a backup that holds all of ``files``, and return how it is described."""
    zero = last.hasher.zero
    builder = TableBuilder(write_frame, zero)
    listed = [file.number for file in sorted(files)]
    ends = {file.number: -(-file.size // BLOCK_BYTES) for file in files}
    for file in listed:
        # Those of which the writer never had the whole block stay changes of a later phase.
        known: dict[int, dict[int, bytes]] = {}
        for block, digest in last.changes_of(file):
            if block >= ends[file]:
                continue
            if digest == UNKNOWN:
                builder.change(file, block, digest)
            else:
                known.setdefault(block // PIECE_BLOCKS, {})[block % PIECE_BLOCKS] = digest
        for piece in last.pieces_of(file):
            region = piece.first_block // PIECE_BLOCKS
            content = _patched(piece.hashes, piece.places, known.pop(region, {}), zero)
            builder.add_piece(file, piece.first_block, *content)
        for region, changes in known.items():
            builder.add_piece(file, region * PIECE_BLOCKS, *_patched(b"", b"", changes, zero))
    return builder.finish(
        listed, key=last.blocks.key, ancestors=(), sources={}, spaces=last.blocks.spaces
    )


def _patched(
    hashes: bytes, places: bytes, changes: dict[int, bytes], zero: bytes
) -> tuple[bytes, bytes]:
    """Return hashes and places of a piece with the changes in them."""
    own = places.translate(_OWN)
    if not changes:
        return hashes, own
    missing = max(changes) + 1 - len(own)
    new_hashes = bytearray(hashes + zero * missing)
    new_places = bytearray(own + bytes((ZERO,)) * missing)
    for place, digest in changes.items():
        new_hashes[place * HASH_BYTES : (place + 1) * HASH_BYTES] = digest
        new_places[place] = ZERO if digest == zero else 0
    return bytes(new_hashes), bytes(new_places)
