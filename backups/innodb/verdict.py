"""Is a page whole, damaged or unknown? One page in, one verdict out."""

from __future__ import annotations

import enum
from typing import NamedTuple

from backups.innodb.checksums import (
    NONE,
    TRAILER_BYTES,
    compressed_old_checksum,
    crc32c,
    has_old_checksum,
    page_crc32c,
)
from backups.innodb.formats import LARGEST_PAGE, PageFormat
from backups.innodb.transparent import COMPRESSED, CannotUnpack, DamagedPayload, unpack_page

ZEROS = bytes(LARGEST_PAGE)
# Types of pages that MySQL encrypted, with and without transparent compression.
ENCRYPTED_TYPES = range(15, 18)
# Types of pages that MariaDB's older formats compress and give no checksum.
_PAGE_COMPRESSED_TYPES = (34354, 37401)
# A flag of the page type, in full_crc32.
FULL_CRC32_PACKED = 0x8000
_NO_KEY = bytes(4)

CHECKSUM_WRONG = "its checksum does not match"
TORN = "its beginning and its end are from different writes"


class PageVerdict(enum.Enum):
    """The state of a page."""

    WHOLE = "whole"
    # Zeros from end to end: allocated and never written.
    EMPTY = "empty"
    UNKNOWN = "unknown"
    DAMAGED = "damaged"


class Judgement(NamedTuple):
    """A verdict, and the reason if it is not a good one."""

    verdict: PageVerdict
    why: str = ""


_WHOLE = Judgement(PageVerdict.WHOLE)
_EMPTY = Judgement(PageVerdict.EMPTY)


def judge(page: bytes, form: PageFormat) -> Judgement:
    """Check a page of exactly the format's size by its own header and trailer."""
    if ZEROS.startswith(page):
        return _EMPTY
    if form.full_crc32:
        return _judge_full_crc32(page)
    if page_type(page) in ENCRYPTED_TYPES:
        return _judge_encrypted(page, form)
    if form.size.compressed:
        return _judge_compressed(page)
    if page_type(page) == COMPRESSED:
        return _judge_packed(page)
    return _judge_plain(page)


def page_type(page: bytes) -> int:
    return page[24] << 8 | page[25]


def identity(page: bytes, form: PageFormat) -> tuple[int, int | None]:
    """Return the page number and, if it can be read, the space id in a page's header."""
    # Compressed pages have no space id, and that of encrypted ones is encrypted.
    hidden = page_type(page) & FULL_CRC32_PACKED or page[:4] != _NO_KEY
    space_id = None if form.full_crc32 and hidden else int.from_bytes(page[34:38], "big")
    return int.from_bytes(page[4:8], "big"), space_id


def _judge_plain(page: bytes) -> Judgement:
    stored = page[:4]
    if page_type(page) in _PAGE_COMPRESSED_TYPES:
        return Judgement(PageVerdict.UNKNOWN, "compressed by MariaDB without a checksum")
    computed = page_crc32c(page, compressed=False)
    if _is_sealed_by_key(page, computed):
        return _WHOLE
    if page[-4:] != page[20:24]:
        return Judgement(PageVerdict.DAMAGED, TORN)
    if stored == page[-TRAILER_BYTES:-4] == computed:
        return _WHOLE
    if stored == page[-TRAILER_BYTES:-4] == NONE:
        return Judgement(PageVerdict.UNKNOWN, "written without a checksum")
    return _WHOLE if has_old_checksum(page) else Judgement(PageVerdict.DAMAGED, CHECKSUM_WRONG)


def _judge_compressed(page: bytes) -> Judgement:
    stored = page[:4]
    computed = page_crc32c(page, compressed=True)
    if stored in (computed, compressed_old_checksum(page)) or _is_sealed_by_key(page, computed):
        return _WHOLE
    if stored == NONE:
        return Judgement(PageVerdict.UNKNOWN, "written without a checksum")
    return Judgement(PageVerdict.DAMAGED, CHECKSUM_WRONG)


def _judge_full_crc32(page: bytes) -> Judgement:
    """MariaDB's checksum is that of the bytes on the disk, encrypted and compressed as they are."""
    size = len(page)
    packed = bool(page_type(page) & FULL_CRC32_PACKED)
    if packed:
        size = (page_type(page) & ~FULL_CRC32_PACKED) << 8
        if not 0 < size < len(page):
            return Judgement(PageVerdict.DAMAGED, "its length field is invalid")
    if crc32c(page[: size - 4]) != page[size - 4 : size]:
        return Judgement(PageVerdict.DAMAGED, CHECKSUM_WRONG)
    if not packed and page[:4] == _NO_KEY and page[size - 8 : size - 4] != page[20:24]:
        return Judgement(PageVerdict.DAMAGED, TORN)
    return _WHOLE


def _judge_packed(page: bytes) -> Judgement:
    """Transparent compression of MySQL: the checksum is that of the page before it."""
    try:
        unpacked = unpack_page(page)
    except DamagedPayload as exc:
        return Judgement(PageVerdict.DAMAGED, str(exc))
    except CannotUnpack as exc:
        return Judgement(PageVerdict.UNKNOWN, str(exc))
    return _judge_plain(unpacked)


def _judge_encrypted(page: bytes, form: PageFormat) -> Judgement:
    """Unknown without the key, unless the page type itself is damaged."""
    if not form.encrypted:
        for bit in range(16):
            kind = page_type(page) ^ 1 << bit
            other = page[:24] + kind.to_bytes(2, "big") + page[26:]
            known = kind not in ENCRYPTED_TYPES
            if known and judge(other, form).verdict is PageVerdict.WHOLE:
                return Judgement(PageVerdict.DAMAGED, CHECKSUM_WRONG)
    return Judgement(PageVerdict.UNKNOWN, "encrypted by the server")


def _is_sealed_by_key(page: bytes, computed: bytes) -> bool:
    """Whether MariaDB encrypted the page and stored the checksum of the encrypted bytes."""
    return page[26:30] != _NO_KEY and page[30:34] == computed
