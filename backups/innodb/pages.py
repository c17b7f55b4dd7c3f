"""What is a page of a tablespace, and is it whole?

The layout is that of MySQL 8 and 9; all integers are big-endian. Pages come in two shapes:
ordinary ones with a trailer, and those of ROW_FORMAT=COMPRESSED, which are smaller on disk
than in memory and have none.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import google_crc32c

# The page size of FSP flags without one.
DEFAULT_PAGE_BYTES = 16384
# The flag of a general tablespace, which may hold many tables.
SHARED = 1 << 11
# An extent is this long, or 64 pages if pages are larger.
_EXTENT_BYTES = 1 << 20
_PAGES_OF_BIG_EXTENT = 64
_TRAILER_BYTES = 8
_HEADER = struct.Struct(">IIIIQH")
_SPACE_ID = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class PageSize:
    """Bytes of a page in memory, and on disk before any transparent compression."""

    logical: int
    physical: int
    # ROW_FORMAT=COMPRESSED: the two sizes may be equal all the same.
    compressed: bool = False

    @property
    def extent_bytes(self) -> int:
        """The bytes of an extent, by which the server extends a file."""
        pages = max(_EXTENT_BYTES // self.logical, _PAGES_OF_BIG_EXTENT)
        return pages * self.physical


@dataclass(frozen=True, slots=True)
class PageHeader:
    """The first 38 bytes of a page."""

    checksum: int
    number: int
    lsn: int
    type: int
    space_id: int


def page_size_of(fsp_flags: int) -> PageSize:
    """Return the page size in a tablespace's flags."""
    shift = fsp_flags >> 6 & 15
    logical = 512 << shift if shift else DEFAULT_PAGE_BYTES
    compressed = fsp_flags >> 1 & 15
    return PageSize(logical, 512 << compressed if compressed else logical, bool(compressed))


def parse_header(page: bytes) -> PageHeader:
    checksum, number, _, _, lsn, kind = _HEADER.unpack_from(page)
    return PageHeader(checksum, number, lsn, kind, _SPACE_ID.unpack_from(page, 34)[0])


def page_checksum(page: bytes, *, compressed: bool) -> int:
    """Return the correct crc32c of a page of either layout."""
    if compressed:
        return _crc32c(page[4:16]) ^ _crc32c(page[24:26]) ^ _crc32c(page[34:])
    return _crc32c(page[4:26]) ^ _crc32c(page[38:-_TRAILER_BYTES])


def is_whole(page: bytes, *, compressed: bool) -> bool:
    """Whether a page's checksum and trailer, if any, are correct; an unused page is whole."""
    stored = page[:4]
    if not any(page):
        return True
    if page_checksum(page, compressed=compressed).to_bytes(4, "big") != stored:
        return False
    # The trailer repeats the checksum and the lower half of the LSN.
    return compressed or page[-8:] == stored + page[20:24]


def build_first_page(space_id: int, fsp_flags: int, server_version: int) -> bytes:
    """Return page 0 of a tablespace in which nothing has been written yet.

    ``server_version`` is a number such as 90704. Recovery fills in the rest from the redo log.
    """
    size = page_size_of(fsp_flags)
    page = bytearray(size.physical)
    page[8:16] = struct.pack(">II", server_version, 1)
    page[34:42] = struct.pack(">II", space_id, space_id)
    page[54:58] = struct.pack(">I", fsp_flags)
    return sign_page(bytes(page), compressed=size.compressed)


def sign_page(page: bytes, *, compressed: bool) -> bytes:
    """Return a page with the correct checksum."""
    checksum = page_checksum(page, compressed=compressed).to_bytes(4, "big")
    if compressed:
        return checksum + page[4:]
    return checksum + page[4:-_TRAILER_BYTES] + checksum + page[-4:]


def _crc32c(content: bytes) -> int:
    return int(google_crc32c.value(content))
