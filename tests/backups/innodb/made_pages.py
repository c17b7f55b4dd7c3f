"""Pages as servers write them, built for tests in every format."""

from __future__ import annotations

import random
import struct
import zlib

import google_crc32c

from backups.innodb.formats import PageFormat
from backups.innodb.pages import page_checksum

INDEX = 17855
SPACE = 77
LSN = 0x0000_0003_1234_5678


def body(size: int, seed: int = 1) -> bytes:
    """Bytes that compress to about half."""
    noise = random.Random(seed)
    return (noise.randbytes(size // 2 + 1) + bytes(size))[:size]


def plain(
    size: int, number: int = 3, *, space: int = SPACE, kind: int = INDEX, content: bytes = b""
) -> bytes:
    """A page with a trailer and crc32c."""
    page = bytearray(_header(number, space, kind))
    page += (content or body(size - 46)).ljust(size - 46, b"\0")[: size - 46] + bytes(8)
    return _with_trailer(page, page_checksum(bytes(page), compressed=False).to_bytes(4, "big"))


def unsummed(size: int) -> bytes:
    return _with_trailer(bytearray(plain(size)), b"\xde\xad\xbe\xef")


def compressed(size: int, number: int = 3, *, space: int = SPACE) -> bytes:
    """A page of ROW_FORMAT=COMPRESSED."""
    page = bytearray(_header(number, space, INDEX) + body(size - 38))
    page[:4] = page_checksum(bytes(page), compressed=True).to_bytes(4, "big")
    return bytes(page)


def packed(size: int, number: int = 3, *, algorithm: int = 1) -> bytes:
    """A page under MySQL's transparent compression, its hole as zeros."""
    page = plain(size, number)
    payload = zlib.compress(page[38:])
    how = struct.pack(">BBHHH", 1, algorithm, INDEX, size - 38, len(payload))
    return (page[:24] + struct.pack(">H", 14) + how + page[34:38] + payload).ljust(size, b"\0")


def full_crc32(size: int, number: int = 3, *, space: int = SPACE, content: bytes = b"") -> bytes:
    """A page of MariaDB's present format."""
    page = bytearray(_header(number, space, INDEX))
    page += (content or body(size - 46)).ljust(size - 46, b"\0")[: size - 46]
    page += struct.pack(">I", LSN & 0xFFFFFFFF)
    return bytes(page) + _crc32c(page)


def full_crc32_packed(size: int, number: int = 3) -> bytes:
    """One that MariaDB compressed: it tells its length in its type, in units of 256 bytes."""
    length = size // 2
    page = bytearray(_header(number, SPACE, 0x8000 | length >> 8)) + body(length - 42)
    return (bytes(page) + _crc32c(page)).ljust(size, b"\0")


def first_page(form: PageFormat, flags: int, *, space: int = SPACE) -> bytes:
    """Page 0 of a tablespace: it has its own flags."""
    content = struct.pack(">IIIII", space, 0, 64, 64, flags) + body(200)
    if form.full_crc32:
        return full_crc32(form.bytes, 0, space=space, content=content)
    if not form.size.compressed:
        return plain(form.bytes, 0, space=space, kind=8, content=content)
    page = bytearray(_header(0, space, 8) + content.ljust(form.bytes - 38, b"\0"))
    page[:4] = page_checksum(bytes(page), compressed=True).to_bytes(4, "big")
    return bytes(page)


def flipped(page: bytes, bit: int) -> bytes:
    changed = bytearray(page)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _header(number: int, space: int, kind: int) -> bytes:
    return struct.pack(">IIIIQHQI", 0, number, 2, 4, LSN, kind, 0, space)


def _with_trailer(page: bytearray, checksum: bytes) -> bytes:
    page[:4] = checksum
    page[-8:] = checksum + page[20:24]
    return bytes(page)


def _crc32c(content: bytes | bytearray) -> bytes:
    return struct.pack(">I", google_crc32c.value(bytes(content)))
