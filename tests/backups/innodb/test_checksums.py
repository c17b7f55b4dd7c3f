"""Is the older checksum computed as servers did? Against pages they wrote."""

from __future__ import annotations

import zlib

import pytest

from backups.innodb.formats import PageFormat
from backups.innodb.pages import PageSize
from backups.innodb.verdict import PageVerdict, judge
from tests.backups.innodb.made_pages import compressed, flipped

# Page 2 of a table, 4 KiB, as MySQL 9.7.4 wrote it with innodb_checksum_algorithm=innodb.
OLD = zlib.decompress(
    bytes.fromhex(
        "78da1369d3bbcdc0c0c0c4800418b5ed0e3230230930fd070206060809530463a0cbe1e3"
        "b35ecbbc041462fe3f0a462c80a52972d3cf68088ea61f50194241f9c3321a8a233efdb0"
        "8c963fa38082f4330a46c1281805a360140c419068fde921a89f0f000a2066f1"
    )
)
PLAIN = PageFormat(PageSize(4096, 4096))


def test_a_page_of_a_server() -> None:
    assert judge(OLD, PLAIN).verdict is PageVerdict.WHOLE


@pytest.mark.parametrize("place", [0, 5, 20, 25, 40, 300, 4090, 4095])
def test_its_flipped_bits(place: int) -> None:
    assert judge(flipped(OLD, place * 8 + 3), PLAIN).verdict is PageVerdict.DAMAGED


def test_one_of_row_format_compressed() -> None:
    page = bytearray(compressed(2048))
    total = zlib.adler32(page[34:], zlib.adler32(page[24:26], zlib.adler32(page[4:16], 0)))
    page[:4] = total.to_bytes(4, "big")
    form = PageFormat(PageSize(16384, 2048, compressed=True))
    assert judge(bytes(page), form).verdict is PageVerdict.WHOLE
    assert judge(flipped(bytes(page), 2000 * 8), form).verdict is PageVerdict.DAMAGED
