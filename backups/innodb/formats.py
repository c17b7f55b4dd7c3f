"""How large are the pages of a tablespace, and where is their checksum? Decoded from its flags.

The flags are in page 0. Three layouts exist: pages with a trailer that repeats the checksum
(MySQL, and MariaDB's older formats); MariaDB's full_crc32, whose checksum is at the end only;
and those of ROW_FORMAT=COMPRESSED, which have no trailer.
"""

from __future__ import annotations

from dataclasses import dataclass

from backups.innodb.pages import PageSize, page_size_of

FLAGS_OFFSET = 54
LARGEST_PAGE = 65536
_FULL_CRC32 = 1 << 4
_ENCRYPTED = 1 << 13
_POST_ANTELOPE = 1
# Size shifts that exist: 4K to 64K in memory, 1K to 16K in ROW_FORMAT=COMPRESSED.
_SHIFTS = range(3, 8)
_COMPRESSED_SHIFTS = range(1, 6)
# No server uses a higher bit.
_HIGHEST_BIT = 20
_HIGHEST_FULL_CRC32_BIT = 7


@dataclass(frozen=True, slots=True)
class PageFormat:
    """The properties of a tablespace that are needed to check its pages."""

    size: PageSize
    full_crc32: bool = False
    # MySQL's own encryption, which also encrypts the checksummed bytes.
    encrypted: bool = False

    @property
    def bytes(self) -> int:
        return self.size.physical

    @property
    def pages_of_extent(self) -> int:
        return self.size.extent_bytes // self.size.physical


def format_of(flags: int) -> PageFormat | None:
    """Decode flags; None for flags that no known server writes."""
    if flags & _FULL_CRC32:
        shift = flags & 15
        if shift not in _SHIFTS or flags >> _HIGHEST_FULL_CRC32_BIT + 1:
            return None
        return PageFormat(PageSize(512 << shift, 512 << shift), full_crc32=True)
    if (flags >> 6 & 15 or _SHIFTS[0]) not in _SHIFTS or flags >> _HIGHEST_BIT + 1:
        return None
    compressed = flags >> 1 & 15
    size = page_size_of(flags)
    if compressed and (
        compressed not in _COMPRESSED_SHIFTS
        or size.physical > size.logical
        or not flags & _POST_ANTELOPE
    ):
        return None
    return PageFormat(size, encrypted=bool(flags & _ENCRYPTED))


def known_formats() -> tuple[PageFormat, ...]:
    """Return every format, for a tablespace whose page 0 is damaged."""
    sizes = [512 << shift for shift in _SHIFTS]
    plain = [
        PageFormat(PageSize(size, size), full_crc32)
        for full_crc32 in (True, False)
        for size in sizes
    ]
    compressed = [
        PageFormat(PageSize(DEFAULT_LOGICAL, 512 << shift, compressed=True))
        for shift in _COMPRESSED_SHIFTS
    ]
    return (*plain, *compressed)


# The uncompressed size of pages of ROW_FORMAT=COMPRESSED does not affect their checksum.
DEFAULT_LOGICAL = 16384
