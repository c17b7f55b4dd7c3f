"""Which chunks is an mbstream made of?

The format (10.11 and 11.8), little endian throughout:

    magic "XBSTCK01" · flags u8 · type u8 · path length u32 · path · what the type adds
    P  bytes of a file: length u64 · offset u64 · CRC-32 of the bytes u32 · the bytes
    E  a file is complete; nothing is added
    S  the next bytes of a file go to: offset u64
    R  a complete file has a new name: path length u32 · path
    D  a file, or a folder and everything in it, is gone; nothing is added

Flag 1 allows a reader to skip a chunk whose type it does not know; such a chunk has the shape
of P. Flag 2, on P, says that the file replaces a complete one of the same name. The
header itself has no checksum: everything in it that can be wrong is checked here.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from io import RawIOBase
from typing import BinaryIO

from isal import isal_zlib

from backups.exceptions import EngineError
from backups.repositories.layout import is_safe_path

MAGIC = b"XBSTCK01"
IGNORABLE = 1
REWRITE = 2
# The tool's own limit for a path.
PATH_LIMIT = 512
# Payloads come out in pieces of this size: the most a frame of the archive takes.
PIECE_BYTES = 4 << 20

_HEADER = struct.Struct("<8sBcI")
_PAYLOAD = struct.Struct("<QQI")
_LENGTH = struct.Struct("<I")
_OFFSET = struct.Struct("<Q")


class StreamCut(EngineError):
    """The stream ended early: its writer has ended, and may have logged the reason."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file. ``rewrites``: they begin a file that replaces another."""

    path: str
    offset: int
    payload: memoryview
    rewrites: bool


@dataclass(frozen=True, slots=True)
class End:
    path: str


@dataclass(frozen=True, slots=True)
class Seek:
    path: str
    offset: int


@dataclass(frozen=True, slots=True)
class Rename:
    path: str
    new_path: str


@dataclass(frozen=True, slots=True)
class Remove:
    path: str


Chunk = Piece | End | Seek | Rename | Remove


class BlockMemory:
    """Read buffers; large blocks are reused once no view of them is left.

    Fresh memory consists of pages the kernel has to clear one by one, which costs more than
    everything else here together.
    """

    # More than a writer keeps in flight on many cores; beyond it, new blocks are allocated.
    KEPT = 64

    def __init__(self) -> None:
        self._blocks: dict[int, deque[bytearray]] = {
            PIECE_BYTES: deque(maxlen=self.KEPT),
            PIECE_BYTES // 2: deque(maxlen=self.KEPT),
        }

    def take(self, length: int) -> bytearray:
        """Return a block that stays the caller's while any view of it exists."""
        blocks = self._blocks.get(length)
        if blocks is None:
            return bytearray(length)
        for _ in range(len(blocks)):
            blocks.rotate(-1)
            if _is_unseen(blocks[-1]):
                return blocks[-1]
        blocks.append(bytearray(length))
        return blocks[-1]


def _is_unseen(block: bytearray) -> bool:
    """Whether no view of a block is left: Python does not resize a bytearray with views."""
    try:
        block.append(0)
    except BufferError:
        return False
    block.pop()
    return True


class ChunkReader:
    """Reads chunks from an unbuffered file or pipe. ``position`` is how far it has come."""

    def __init__(self, source: BinaryIO | RawIOBase) -> None:
        # readinto() of a raw file fills our memory directly; a buffer would copy twice.
        self._source = source
        self._memory = BlockMemory()
        self.position = 0

    def chunks(self) -> Iterator[Chunk]:
        """Yield every chunk; a payload of more than PIECE_BYTES as several pieces.

        A piece is yielded before the checksum of its whole chunk is known; EngineError
        follows when that is wrong.
        """
        while header := self._read_header():
            flags, kind, path_bytes = header
            path = self._read_path(path_bytes)
            match kind:
                case b"P":
                    yield from self._payload(path, rewrites=bool(flags & REWRITE))
                case b"E":
                    yield End(path)
                case b"S":
                    yield Seek(path, self._read_offset())
                case b"R":
                    (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
                    yield Rename(path, self._read_path(length))
                case b"D":
                    yield Remove(path)
                case _:
                    for _ in self._payload(path, rewrites=False):
                        pass

    def _read_header(self) -> tuple[int, bytes, int] | None:
        content = self._read(_HEADER.size, end_allowed=True)
        if not content:
            return None
        magic, flags, kind, path_bytes = _HEADER.unpack(content)
        if magic != MAGIC:
            raise self._damaged(f"no chunk begins with {magic!r}")
        if flags & ~(IGNORABLE | REWRITE):
            raise self._damaged(f"chunk has unknown flags {flags:#x}")
        if kind not in b"PESRD" and not flags & IGNORABLE:
            raise self._damaged(f"chunk is of unknown type {kind!r}")
        return flags, kind, path_bytes

    def _read_path(self, length: int) -> str:
        if not 0 < length <= PATH_LIMIT:
            raise self._damaged(f"path is {length} bytes long")
        content = self._read(length)
        try:
            path = bytes(content).decode()
        except UnicodeDecodeError:
            raise self._damaged(f"path {bytes(content)!r} is not text") from None
        if not is_safe_path(path):
            raise self._damaged(f"path {path!r} leads out of the backup")
        return path

    def _read_offset(self) -> int:
        (offset,) = _OFFSET.unpack(self._read(_OFFSET.size))
        if offset >> 63:
            raise self._damaged(f"offset {offset} is more than a file can have")
        return int(offset)

    def _payload(self, path: str, *, rewrites: bool) -> Iterator[Piece]:
        length, offset, expected = _PAYLOAD.unpack(self._read(_PAYLOAD.size))
        if length + offset >> 63:
            raise self._damaged(f"{length} bytes at {offset} are more than a file can have")
        checksum, left = 0, length
        while True:
            payload = self._read(min(left, PIECE_BYTES))
            checksum = isal_zlib.crc32(payload, checksum)
            left -= len(payload)
            if not left and checksum != expected:
                raise self._damaged(f"checksum of {length} bytes of {path} is wrong")
            yield Piece(path, offset, payload, rewrites)
            offset += len(payload)
            if not left:
                return

    def _read(self, length: int, *, end_allowed: bool = False) -> memoryview:
        """Return that many bytes in their own memory."""
        content = memoryview(self._memory.take(length))
        filled = 0
        while filled < length:
            count = self._source.readinto(content[filled:])  # type: ignore[union-attr]
            if not count:
                if end_allowed and not filled:
                    return content[:0]
                raise StreamCut(
                    f"the engine's stream ends at byte {self.position + filled}, "
                    f"{length - filled} bytes short"
                )
            filled += count
        self.position += length
        return content

    def _damaged(self, why: str) -> EngineError:
        return EngineError(f"the engine's stream is damaged at byte {self.position}: {why}")
