"""Is every page judged rightly, and every flipped bit of it found?"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.innodb.formats import PageFormat, format_of
from backups.innodb.pages import PageSize
from backups.innodb.recognise import Tablespace, judge_in_place
from backups.innodb.transparent import unpack_page
from backups.innodb.verdict import CHECKSUM_WRONG, TORN, PageVerdict, identity, judge
from tests.backups.innodb.made_pages import (
    SPACE,
    compressed,
    flipped,
    full_crc32,
    full_crc32_packed,
    packed,
    plain,
    unsummed,
)

K = 1024
SIZES = [4 * K, 8 * K, 16 * K, 32 * K, 64 * K]
# No server's checksum covers bytes 26 to 33: nobody reads them in an ordinary page. Of
# ROW_FORMAT=COMPRESSED the LSN is left out as well.
UNCOVERED = frozenset(range(26, 34))
UNCOVERED_COMPRESSED = UNCOVERED | frozenset(range(16, 24))


def plain_form(size: int) -> PageFormat:
    return PageFormat(PageSize(size, size))


def full_form(size: int) -> PageFormat:
    return PageFormat(PageSize(size, size), full_crc32=True)


def compressed_form(size: int) -> PageFormat:
    return PageFormat(PageSize(16 * K, size, compressed=True))


def used(page: bytes) -> int:
    return len(page.rstrip(b"\0"))


CASES: list[tuple[str, bytes, PageFormat, frozenset[int]]] = [
    *((f"plain-{size}", plain(size), plain_form(size), UNCOVERED) for size in SIZES),
    *((f"full-{size}", full_crc32(size), full_form(size), frozenset()) for size in SIZES),
    *((f"packed-{size}", packed(size), plain_form(size), frozenset()) for size in SIZES),
    *(
        (f"full-packed-{size}", full_crc32_packed(size), full_form(size), frozenset())
        for size in SIZES
    ),
    *(
        (f"compressed-{size}", compressed(size), compressed_form(size), UNCOVERED_COMPRESSED)
        for size in (K, 2 * K, 4 * K, 8 * K, 16 * K)
    ),
]
MADE = {name: (page, form, uncovered) for name, page, form, uncovered in CASES}
by_name = pytest.mark.parametrize("name", MADE)


def verdict(page: bytes, form: PageFormat) -> PageVerdict:
    """The verdict on page 3 of the space that the made pages are of."""
    return judge_in_place(page, Tablespace(form, SPACE), form, 3).verdict


def is_found(name: str, bit: int) -> bool:
    """Whether a flip is called damage, or changes nothing once the page is unpacked."""
    page, form, _ = MADE[name]
    changed = flipped(page, bit)
    if verdict(changed, form) is PageVerdict.DAMAGED:
        return True
    # A deflate stream has bits to fill up bytes: they say nothing.
    return name.startswith("packed") and unpack_page(changed) == unpack_page(page)


@by_name
def test_a_page_as_it_was_written(name: str) -> None:
    page, form, _ = MADE[name]
    assert len(page) == form.bytes
    assert verdict(page, form) is PageVerdict.WHOLE
    assert judge(bytes(form.bytes), form).verdict is PageVerdict.EMPTY


@by_name
def test_every_flipped_bit_of_header_and_trailer(name: str) -> None:
    page, _, uncovered = MADE[name]
    end = used(page)
    places = {*range(64), *range(end - 16, end)} - uncovered
    assert [
        bit
        for place in places
        for bit in range(place * 8, place * 8 + 8)
        if not is_found(name, bit)
    ] == []


@by_name
@given(data=st.data())
def test_any_flipped_bit(name: str, data: st.DataObject) -> None:
    page, _, uncovered = MADE[name]
    bit = data.draw(st.integers(0, used(page) * 8 - 1).filter(lambda at: at // 8 not in uncovered))
    assert is_found(name, bit)


@pytest.mark.parametrize("kind", [0, 2, 3, 5, 6, 7, 8, 10, 12, 17, 17854])
def test_a_flip_that_makes_the_type_another_is_no_excuse(kind: int) -> None:
    page, form = plain(4 * K, kind=kind), plain_form(4 * K)
    for bit in range(24 * 8, 26 * 8):
        assert verdict(flipped(page, bit), form) in {
            PageVerdict.DAMAGED,
            # A page that says it is encrypted, and is made to say so in another way.
            *({PageVerdict.UNKNOWN} if kind == 17 else ()),
        }


@pytest.mark.parametrize("make", [plain, full_crc32])
@pytest.mark.parametrize("size", SIZES)
def test_half_of_an_older_write(make: Callable[..., bytes], size: int) -> None:
    form = full_form(size) if make is full_crc32 else plain_form(size)
    new, old = bytearray(make(size)), make(size, content=b"older")
    new[size // 2 :] = old[size // 2 :]
    assert judge(bytes(new), form).why == CHECKSUM_WRONG


def test_a_trailer_of_another_lsn() -> None:
    page = bytearray(plain(4 * K))
    page[-1] ^= 1
    assert judge(bytes(page), plain_form(4 * K)).why == TORN


@pytest.mark.parametrize(
    ("page", "why"),
    [
        (unsummed(16 * K), "written without a checksum"),
        (packed(16 * K, algorithm=2), "compressed with lz4"),
        (plain(16 * K, kind=34354), "compressed by MariaDB without a checksum"),
        (bytes(24) + b"\0\x0f" + plain(16 * K)[26:], "encrypted by the server"),
    ],
)
def test_what_nobody_can_tell_is_unknown(page: bytes, why: str) -> None:
    assert judge(page, plain_form(16 * K)) == (PageVerdict.UNKNOWN, why)


def test_a_page_of_another_place_or_space() -> None:
    form = plain_form(4 * K)
    space = Tablespace(form, SPACE)
    astray = judge_in_place(plain(4 * K, 9), space, form, 3)
    assert astray == (PageVerdict.DAMAGED, "page 9 of space 77 is in its place")
    foreign = judge_in_place(plain(4 * K, 3, space=78), space, form, 3)
    assert foreign.verdict is PageVerdict.DAMAGED


@pytest.mark.parametrize(
    ("flags", "form"),
    [
        (0, plain_form(16 * K)),
        (0x4021, plain_form(16 * K)),
        (0x48C0, plain_form(4 * K)),
        (0x6021, PageFormat(PageSize(16 * K, 16 * K), encrypted=True)),
        (0x15, full_form(16 * K)),
        (0x33, full_form(4 * K)),
        (0x17, full_form(64 * K)),
        (0x10021, plain_form(16 * K)),
        (0x25, compressed_form(2 * K)),
        # Sizes that no server has, and bits that none sets.
        (0x1F, None),
        (0x12, None),
        (0x215, None),
        (9 << 6, None),
        (1 << 6, None),
        (7 << 1 | 1, None),
        (1 << 22, None),
    ],
)
def test_flags(flags: int, form: PageFormat | None) -> None:
    assert format_of(flags) == form


def test_the_space_id_of_an_encrypted_page_cannot_be_read() -> None:
    page, form = full_crc32(16 * K), full_form(16 * K)
    assert identity(page, form) == (3, SPACE)
    # The version of its key.
    assert identity(b"\0\0\0\1" + page[4:], form) == (3, None)
