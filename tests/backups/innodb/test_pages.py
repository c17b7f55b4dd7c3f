"""Are pages measured, checked and made as the server does it?"""

from __future__ import annotations

import pytest

from backups.innodb.pages import (
    PageSize,
    build_first_page,
    is_whole,
    page_checksum,
    page_size_of,
    parse_header,
)

COMPRESSED_8K = 0b101001 | 4 << 1  # ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8
K = 1024


@pytest.mark.parametrize(
    ("flags", "size", "extent_bytes"),
    [
        (0, PageSize(16 * K, 16 * K), 1024 * K),
        (0x4021, PageSize(16 * K, 16 * K), 1024 * K),
        (3 << 6, PageSize(4 * K, 4 * K), 1024 * K),
        (4 << 6, PageSize(8 * K, 8 * K), 1024 * K),
        (6 << 6, PageSize(32 * K, 32 * K), 2048 * K),
        (7 << 6, PageSize(64 * K, 64 * K), 4096 * K),
        (1 << 1, PageSize(16 * K, 1 * K, compressed=True), 64 * K),
        (4 << 1, PageSize(16 * K, 8 * K, compressed=True), 512 * K),
        (5 << 1, PageSize(16 * K, 16 * K, compressed=True), 1024 * K),
        (4 << 6 | 3 << 1, PageSize(8 * K, 4 * K, compressed=True), 512 * K),
    ],
)
def test_sizes(flags: int, size: PageSize, extent_bytes: int) -> None:
    assert page_size_of(flags) == size
    assert size.extent_bytes == extent_bytes


@pytest.mark.parametrize("flags", [0x4021, 3 << 6, 7 << 6, 4 << 1, 5 << 1])
def test_a_first_page_is_whole_until_a_byte_of_it_changes(flags: int) -> None:
    size = page_size_of(flags)
    page = bytearray(build_first_page(77, flags, 90704))
    assert len(page) == size.physical
    assert is_whole(bytes(page), compressed=size.compressed)
    header = parse_header(bytes(page))
    assert (header.space_id, header.number, header.lsn, header.type) == (77, 0, 0, 0)
    assert int.from_bytes(page[8:12], "big") == 90704
    assert int.from_bytes(page[54:58], "big") == flags
    for place in (0, 5, 40, size.physical - 20):
        page[place] ^= 1
        assert not is_whole(bytes(page), compressed=size.compressed), place
        page[place] ^= 1


def test_a_page_never_used_is_whole() -> None:
    assert is_whole(bytes(16384), compressed=False)
    assert is_whole(bytes(8192), compressed=True)


def test_a_trailer_that_does_not_fit() -> None:
    page = bytearray(16384)
    page[20:24] = b"\1\2\3\4"
    checksum = page_checksum(bytes(page), compressed=False).to_bytes(4, "big")
    page[:4] = checksum
    page[-8:] = checksum + b"\1\2\3\4"
    assert is_whole(bytes(page), compressed=False)
    page[-1] = 5
    assert not is_whole(bytes(page), compressed=False)
