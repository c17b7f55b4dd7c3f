"""How are the bytes of an object cut into the blocks of a piece, and known to be all of them?

    header     4 bytes   "MPC1"
               u8        1: the label, 2: bytes of the object, 3: the end
               u8 u16    0
               u32       length of the payload
               u32       CRC-32 of header (with 0 here) and payload
               u64       number of the block, from 0
    payload              at most what fits
    zeros                up to the size of the block

Every block has the same size: tapes and media managers know no other. The label is one JSON object
that says of which object of which repository the piece is; the end is one that has the length and
SHA-256 of the object. A piece without its end is none.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from isal import isal_zlib

from backups.exceptions import RepositoryError
from backups.repositories.sequential.base import PieceFeed

MAGIC = b"MPC1"
HEADER = struct.Struct("<4sBBHIIQ")
LABEL, CONTENT, END = 1, 2, 3
# Of labels and ends: a block holds either.
LEAST_BLOCK, DEFAULT_BLOCK, MOST_BLOCK = 4096, 256 * 1024, 8 * 1024 * 1024
DAMAGE_HINT = "Use another copy; if the medium is readable again later, run a verify."


@dataclass(frozen=True, slots=True)
class Label:
    """Of what a piece is."""

    # Its uuid.
    repository: str
    object: str
    block_bytes: int


@dataclass(frozen=True, slots=True)
class Content:
    """What the whole object is."""

    size: int
    sha256: str


class BlockWriter:
    """Cuts an object into blocks. What it returns is written in that order."""

    def __init__(self, label: Label) -> None:
        self._room = label.block_bytes - HEADER.size
        self._label = label
        self._number = self._size = 0
        self._rest = bytearray()
        self._digest = hashlib.sha256()

    def begin(self) -> bytes:
        """Return the first block."""
        fields = {
            "mooring": "piece",
            "repository": self._label.repository,
            "object": self._label.object,
            "block_bytes": self._label.block_bytes,
        }
        return self._block(LABEL, json.dumps(fields).encode())

    def add(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the blocks that are full with ``chunk``."""
        self._digest.update(chunk)
        self._size += len(chunk)
        view = memoryview(chunk)
        if self._rest:
            taken = min(len(view), self._room - len(self._rest))
            self._rest += view[:taken]
            view = view[taken:]
            if len(self._rest) < self._room:
                return
            full, self._rest = self._rest, bytearray()
            yield self._block(CONTENT, full)
        while len(view) >= self._room:
            yield self._block(CONTENT, view[: self._room])
            view = view[self._room :]
        self._rest += view

    def end(self) -> Iterator[bytes]:
        """Yield the last blocks."""
        if self._rest:
            yield self._block(CONTENT, self._rest)
            self._rest = bytearray()
        content = self.content
        fields = {"bytes": content.size, "sha256": content.sha256}
        yield self._block(END, json.dumps(fields).encode())

    @property
    def content(self) -> Content:
        return Content(self._size, self._digest.hexdigest())

    def _block(self, kind: int, payload: bytes | bytearray | memoryview) -> bytes:
        fields = (MAGIC, kind, 0, 0, len(payload))
        crc = isal_zlib.crc32(payload, isal_zlib.crc32(HEADER.pack(*fields, 0, self._number)))
        header = HEADER.pack(*fields, crc, self._number)
        self._number += 1
        return b"".join((header, payload, bytes(self._room - len(payload))))


def read_blocks(
    source: PieceFeed, piece: str, expected: Label, content: Content | None
) -> Iterator[memoryview]:
    """Yield the bytes of an object in order; RepositoryError unless all are there and right.

    Nothing that was yielded counts before the iterator has ended. ``content``: what the object is
    by the catalog; None is unknown. A label without a repository is not compared with its uuid.
    """
    digest, size, number = hashlib.sha256(), 0, 0
    while True:
        kind, payload = _open_block(
            _whole_block(source, piece, expected.block_bytes, number), piece, number
        )
        if number == 0 or kind == LABEL:
            if number or kind != LABEL:
                raise _damaged(piece, number, "it is not the block that belongs there")
            _check_label(payload, piece, expected)
        elif kind == CONTENT:
            digest.update(payload)
            size += len(payload)
            if not payload or (content is not None and size > content.size):
                raise _damaged(piece, number, "the piece goes on beyond what was stored")
            yield payload
        else:
            break
        number += 1
    found = Content(size, digest.hexdigest())
    if _parse_end(payload, piece, number) != found or content not in {None, found}:
        raise RepositoryError(
            f"piece {piece} has {size} bytes that are not those that were stored", hint=DAMAGE_HINT
        )
    _check_rest(source, piece)


def _whole_block(source: PieceFeed, piece: str, length: int, number: int) -> bytes:
    block = source.read()
    if len(block) != length:
        # The source knows why: an error of the medium says more than a missing end.
        source.finish()
        what = f"ends after {number} blocks" if not block else f"has a short block {number}"
        raise RepositoryError(f"piece {piece} is cut off: it {what}", hint=DAMAGE_HINT)
    return block


def _open_block(block: bytes, piece: str, number: int) -> tuple[int, memoryview]:
    magic, kind, zero, zeros, length, crc, found = HEADER.unpack_from(block)
    if magic != MAGIC or kind not in {LABEL, CONTENT, END} or zero or zeros:
        raise _damaged(piece, number, "it is no block of a piece")
    if found != number or length > len(block) - HEADER.size:
        raise _damaged(piece, number, "it is not the block that belongs there")
    payload = memoryview(block)[HEADER.size : HEADER.size + length]
    fields = (magic, kind, zero, zeros, length)
    if crc != isal_zlib.crc32(payload, isal_zlib.crc32(HEADER.pack(*fields, 0, number))):
        raise _damaged(piece, number, "its checksum does not match")
    return kind, payload


def _check_label(payload: memoryview, piece: str, expected: Label) -> None:
    try:
        fields = json.loads(bytes(payload))
        found = Label(str(fields["repository"]), str(fields["object"]), int(fields["block_bytes"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _damaged(piece, 0, "its label cannot be read") from None
    if expected.repository and found.repository != expected.repository:
        raise RepositoryError(
            f"piece {piece} belongs to repository {found.repository}, not to this one",
            hint="Another Mooring stores pieces with this prefix there: give each its own.",
        )
    if found.object != expected.object or found.block_bytes != expected.block_bytes:
        raise RepositoryError(
            f"piece {piece} says it is of {found.object[:200]!r}", hint=DAMAGE_HINT
        )


def _parse_end(payload: memoryview, piece: str, number: int) -> Content:
    try:
        fields = json.loads(bytes(payload))
        return Content(int(fields["bytes"]), str(fields["sha256"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _damaged(piece, number, "its end cannot be read") from None


def _check_rest(source: PieceFeed, piece: str) -> None:
    """Read what follows the end: zeros may, where a device fills up its last record."""
    more = 0
    while block := source.read():
        more += len(block)
        if more > MOST_BLOCK or block.strip(b"\0"):
            raise RepositoryError(f"piece {piece} goes on after its end", hint=DAMAGE_HINT)
    source.finish()


def _damaged(piece: str, number: int, why: str) -> RepositoryError:
    return RepositoryError(f"block {number} of piece {piece} is damaged: {why}", hint=DAMAGE_HINT)
