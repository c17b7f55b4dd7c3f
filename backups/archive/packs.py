"""How are frames stored in packs, and found without reading whole packs?

    header    32 bytes   "MOORPACK", u16 format, u16 cipher, u32 pack number, 16 bytes backup uuid
    frames    one after the other
    footer    n bytes    sealed zstd of JSON: every frame's place and extents, and the
                         paths, as known when the pack was written, of the files they are of
    trailer   24 bytes   u64 footer offset, u32 footer length, u32 CRC-32 of those 12 bytes,
                         "MOOR-END"

A pack is self-describing: with its data key it can be read when the manifest is gone.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from isal import isal_zlib

from backups.archive.cipher import Cipher, SealedPart
from backups.archive.compression import compress, decompress
from backups.archive.frames import HEADER as FRAME_HEADER
from backups.archive.frames import Extent
from backups.exceptions import ArchiveError
from backups.repositories.layout import NEWER_HINT

FORMAT = 1
MAGIC = b"MOORPACK"
END_MAGIC = b"MOOR-END"
HEADER = struct.Struct("<8sHHI16s")
TRAILER = struct.Struct("<QII8s")
PLACE = struct.Struct("<QI")
# A pack is full at this size; it ends with the frame that reached it.
FULL_BYTES = 256 * 1024 * 1024
# Or at this many extents: highly compressible data would never fill a pack, and its index, which
# is held in memory, would be unbounded.
FULL_EXTENTS = 262_144
MAX_FOOTER_BYTES = 256 * 1024 * 1024


class FramePlace(NamedTuple):
    """The position of a frame in its pack, and its extents."""

    number: int
    offset: int
    stored_bytes: int
    raw_bytes: int
    extents: Sequence[Extent]


@dataclass(slots=True)
class PackIndex:
    """The content of a footer."""

    number: int
    frames: list[FramePlace] = field(default_factory=list)
    paths: dict[int, str] = field(default_factory=dict)


def build_header(number: int, *, backup: UUID, cipher: Cipher) -> bytes:
    return HEADER.pack(MAGIC, FORMAT, cipher.number, number, backup.bytes)


def check_header(blob: bytes, number: int, *, backup: UUID, cipher: Cipher) -> None:
    """Refuse a pack of another backup, another number, or a newer format."""
    if len(blob) < HEADER.size or not blob.startswith(MAGIC):
        raise ArchiveError("not a pack: its first bytes are damaged or foreign")
    _, form, cipher_number, found, uuid = HEADER.unpack_from(blob)
    if form != FORMAT:
        raise ArchiveError(
            f"pack has format {form}, this version reads format {FORMAT}", hint=NEWER_HINT
        )
    if uuid != backup.bytes:
        raise ArchiveError(f"pack belongs to backup {UUID(bytes=uuid)}, not to {backup}")
    if found != number:
        raise ArchiveError(f"pack says it is number {found}, not {number}")
    if cipher_number != cipher.number:
        raise ArchiveError(f"pack says cipher {cipher_number}, the manifest {cipher.number}")


def build_tail(index: PackIndex, offset: int, *, header: bytes, cipher: Cipher) -> bytes:
    """Return footer and trailer of a pack whose frames end at ``offset``."""
    footer = {
        "frames": [[*place[:4], [list(each) for each in place.extents]] for place in index.frames],
        "paths": {str(file): path for file, path in index.paths.items()},
    }
    text = json.dumps(footer, separators=(",", ":")).encode()
    sealed = cipher.seal(SealedPart.FOOTER, index.number, compress(text, 3), header)
    place = PLACE.pack(offset, len(sealed))
    return sealed + place + struct.pack("<I", isal_zlib.crc32(place)) + END_MAGIC


def parse_trailer(blob: bytes, pack_bytes: int) -> tuple[int, int]:
    """Return offset and length of the footer."""
    if len(blob) != TRAILER.size:
        raise ArchiveError("pack is cut off: it has no trailer")
    offset, length, checksum, magic = TRAILER.unpack(blob)
    if magic != END_MAGIC or checksum != isal_zlib.crc32(blob[: PLACE.size]):
        raise ArchiveError("pack is cut off or damaged: its trailer is invalid")
    if offset < HEADER.size or offset + length + TRAILER.size != pack_bytes:
        raise ArchiveError(f"pack is {pack_bytes} bytes, its trailer says otherwise")
    if length > MAX_FOOTER_BYTES:
        raise ArchiveError(f"pack claims a footer of {length} bytes")
    return offset, length


def parse_footer(
    sealed: bytes, number: int, frames_end: int, *, header: bytes, cipher: Cipher
) -> PackIndex:
    """Open a footer and check that its frames fill the pack without gap or overlap."""
    text = decompress(
        cipher.open(SealedPart.FOOTER, number, sealed, header), limit=MAX_FOOTER_BYTES
    )
    try:
        footer = json.loads(text)
        frames = [
            FramePlace(frame, offset, stored, raw, [Extent(*extent) for extent in extents])
            for frame, offset, stored, raw, extents in footer["frames"]
        ]
        paths = {int(file): str(path) for file, path in footer["paths"].items()}
        _check_places(frames, frames_end, number)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise ArchiveError(f"footer of pack {number} cannot be decoded: {exc!r}") from None
    return PackIndex(number, frames, paths)


def _check_places(frames: Sequence[FramePlace], frames_end: int, number: int) -> None:
    offset = HEADER.size
    for place in frames:
        if place.offset != offset or place.stored_bytes <= FRAME_HEADER.size:
            raise ArchiveError(f"footer of pack {number} misplaces frame {place.number}")
        offset += place.stored_bytes
    if offset != frames_end:
        raise ArchiveError(f"footer of pack {number} lists frames up to {offset}")


def pack_name(number: int) -> str:
    """Name of a pack's object, relative to the backup's folder."""
    return f"packs/{number:06d}.pack"
