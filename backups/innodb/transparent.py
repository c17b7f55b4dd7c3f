"""What was a page before MySQL's transparent compression?

The page keeps its header; the rest of it is one compressed run, and what that saves is a hole in
the file. The header then has version, algorithm, original type and length, and compressed length.
"""

from __future__ import annotations

import struct
import zlib

# The type of such a page.
COMPRESSED = 14
_HEADER_BYTES = 38
_VERSIONS = (1, 2)
_ZLIB, _LZ4 = 1, 2
# Version, algorithm, type and bytes before, bytes after: from byte 26.
_HOW = struct.Struct(">BBHHH")


class DamagedPayload(Exception):
    """The compressed content of a page is damaged."""


class CannotUnpack(Exception):
    """The page is compressed with an unsupported algorithm."""


def unpack_page(page: bytes) -> bytes:
    """Return the page as it was, but for the bytes that no checksum covers."""
    how: tuple[int, int, int, int, int] = _HOW.unpack_from(page, 26)
    version, algorithm, kind, before, after = how
    fits = before == len(page) - _HEADER_BYTES and after <= before
    if version not in _VERSIONS or algorithm not in (_ZLIB, _LZ4) or not fits:
        raise DamagedPayload("its compression header is invalid")
    if algorithm == _LZ4:
        raise CannotUnpack("compressed with lz4")
    payload = page[_HEADER_BYTES : _HEADER_BYTES + after]
    header = page[:24] + kind.to_bytes(2, "big") + page[26:_HEADER_BYTES]
    return header + _inflate(payload, before)


def _inflate(payload: bytes, length: int) -> bytes:
    engine = zlib.decompressobj()
    try:
        content = engine.decompress(payload, length + 1)
    except zlib.error:
        raise DamagedPayload("its compressed content is damaged") from None
    if len(content) != length or not engine.eof or engine.unused_data:
        raise DamagedPayload("its compressed content is damaged")
    return content
