"""How are bytes of files packed into a frame, and unpacked?

A frame holds up to 4 MiB of raw bytes as a list of extents, compressed alone and sealed
alone, so that the work spreads over all cores and any part can be read by itself.

    header   16 bytes   "MFR1" or "MFR2", u32 sealed length, u32 raw length, u32 frame number
    sealed   n bytes    u32 extent count, that many (u32 file, u64 offset, u32 length),
                        then one zstd frame of the extents' bytes in that order

In a frame "MFR2" the bytes are XORed with those of the full backup at the same places.
Integers are little-endian. docs/format.md specifies the format.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from backups.archive.cipher import TAG_BYTES, Cipher, SealedPart
from backups.archive.compression import decompress
from backups.exceptions import ArchiveError

MAGIC, DIFFERENCE_MAGIC = b"MFR1", b"MFR2"
MAX_RAW_BYTES = 4 * 1024 * 1024
MAX_EXTENTS = 16_384
HEADER = struct.Struct("<4sIII")
EXTENT_COUNT = struct.Struct("<I")
EXTENT = struct.Struct("<IQI")
# What incompressible bytes can grow to, and then the extents and the tag.
MAX_SEALED_BYTES = (
    MAX_RAW_BYTES + MAX_RAW_BYTES // 128 + 1024 + MAX_EXTENTS * EXTENT.size + TAG_BYTES
)


class Extent(NamedTuple):
    """A run of bytes of a file."""

    file: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Frame:
    """An opened frame."""

    number: int
    extents: Sequence[Extent]
    content: bytes
    # Whether the content is the difference from what the full backup has at the same places.
    is_difference: bool = False


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The unsealed header of each frame."""

    sealed_bytes: int
    raw_bytes: int
    number: int
    is_difference: bool


@dataclass(frozen=True, slots=True)
class Compressed:
    """The content of a frame, as it is sealed."""

    blob: bytes
    raw_bytes: int
    is_difference: bool = False


def build_frame(
    number: int,
    extents: Sequence[Extent],
    content: Compressed,
    *,
    backup: UUID,
    cipher: Cipher,
) -> bytes:
    """Return a frame ready to be stored."""
    table = EXTENT_COUNT.pack(len(extents)) + b"".join(EXTENT.pack(*each) for each in extents)
    sealed_bytes = len(table) + len(content.blob) + TAG_BYTES
    magic = DIFFERENCE_MAGIC if content.is_difference else MAGIC
    header = HEADER.pack(magic, sealed_bytes, content.raw_bytes, number)
    sealed = cipher.seal(SealedPart.FRAME, number, table + content.blob, header + backup.bytes)
    return header + sealed


def parse_header(blob: bytes) -> FrameHeader:
    """Parse a frame's header and refuse values no writer produces."""
    if len(blob) < HEADER.size:
        raise ArchiveError(f"frame header is cut off after {len(blob)} bytes")
    magic, sealed_bytes, raw_bytes, number = HEADER.unpack_from(blob)
    if magic not in (MAGIC, DIFFERENCE_MAGIC):
        raise ArchiveError("no frame begins here")
    if raw_bytes > MAX_RAW_BYTES or not TAG_BYTES < sealed_bytes <= MAX_SEALED_BYTES:
        raise ArchiveError(f"frame {number} claims {sealed_bytes} sealed, {raw_bytes} raw bytes")
    return FrameHeader(sealed_bytes, raw_bytes, number, magic == DIFFERENCE_MAGIC)


def open_frame(blob: bytes, *, backup: UUID, cipher: Cipher) -> Frame:
    """Unseal and decompress a stored frame, checking every figure in it."""
    return open_compressed(blob, backup=backup, cipher=cipher)[0]


def open_compressed(blob: bytes, *, backup: UUID, cipher: Cipher) -> tuple[Frame, memoryview]:
    """Return the frame, and its content as it is compressed in it."""
    header = parse_header(blob)
    if len(blob) != HEADER.size + header.sealed_bytes:
        raise ArchiveError(f"frame {header.number} is {len(blob)} bytes, its header says otherwise")
    context = blob[: HEADER.size] + backup.bytes
    table = cipher.open(SealedPart.FRAME, header.number, blob[HEADER.size :], context)
    extents, compressed = _parse_extents(table, header)
    content = decompress(compressed, limit=header.raw_bytes)
    if len(content) != header.raw_bytes:
        raise ArchiveError(
            f"frame {header.number} holds {len(content)} bytes, not {header.raw_bytes}"
        )
    return Frame(header.number, extents, content, header.is_difference), compressed


def _parse_extents(table: bytes, header: FrameHeader) -> tuple[list[Extent], memoryview]:
    if len(table) < EXTENT_COUNT.size:
        raise ArchiveError(f"frame {header.number} has no extents")
    (count,) = EXTENT_COUNT.unpack_from(table)
    end = EXTENT_COUNT.size + count * EXTENT.size
    if count > MAX_EXTENTS or end > len(table):
        raise ArchiveError(f"frame {header.number} claims {count} extents")
    extents = [Extent(*each) for each in EXTENT.iter_unpack(table[EXTENT_COUNT.size : end])]
    if sum(extent.length for extent in extents) != header.raw_bytes:
        raise ArchiveError(f"extents of frame {header.number} do not add up to its raw bytes")
    return extents, memoryview(table)[end:]
