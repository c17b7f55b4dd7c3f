"""Which checksums may a page have? Computed as the servers do it.

crc32c is what servers write by themselves; ``innodb`` is the older sum, kept in many old
tablespaces; ``none`` leaves a fixed number. MariaDB's full_crc32 has a module of its own shape
in ``verdict``: one crc32c at the end of the page.
"""

from __future__ import annotations

import zlib
from struct import Struct

import google_crc32c

from backups.innodb.pages import page_checksum

WORD = Struct(">I")
# In place of a checksum if the server is configured to compute none.
NONE = b"\xde\xad\xbe\xef"
TRAILER_BYTES = 8
_WORD_BITS = 0xFFFFFFFF
_FOLD_MASK = 1463735687
_FOLD_MASK_2 = 1653893711


def crc32c(content: bytes) -> bytes:
    return WORD.pack(google_crc32c.value(content))


def page_crc32c(page: bytes, *, compressed: bool) -> bytes:
    return WORD.pack(page_checksum(page, compressed=compressed))


def has_old_checksum(page: bytes) -> bool:
    """Whether a page with a trailer carries the ``innodb`` sums.

    Slow: byte by byte. The short sum in the trailer is compared first, so that pages of other
    algorithms, damaged or not, skip the long one.
    """
    trailer = page[-TRAILER_BYTES:-4]
    # Very old servers repeat half of the LSN instead of a sum.
    if trailer not in (page[16:20], WORD.pack(_fold(page[:26]))):
        return False
    computed = _fold(page[4:26]) + _fold(page[38:-TRAILER_BYTES]) & _WORD_BITS
    return page[:4] == WORD.pack(computed)


def compressed_old_checksum(page: bytes) -> bytes:
    """Return the ``innodb`` sum of a page of ROW_FORMAT=COMPRESSED."""
    total = zlib.adler32(page[4:16], 0)
    total = zlib.adler32(page[24:26], total)
    return WORD.pack(zlib.adler32(page[34:], total))


def _fold(content: bytes) -> int:
    folded = 0
    for byte in content:
        mixed = (folded ^ byte ^ _FOLD_MASK_2) << 8
        folded = ((mixed + folded ^ _FOLD_MASK) + byte) & _WORD_BITS
    return folded
