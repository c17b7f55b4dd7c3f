"""Keys of InnoDB's files: where they lie, and that wrapping hides them and loses nothing."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import google_crc32c
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.innodb.encryption import (
    INFO_BYTES,
    SECRET_BYTES,
    KeyDamaged,
    MasterKey,
    build_encrypted_first_page,
    build_info,
    build_keyring,
    has_key,
    info_offset,
    is_unwrapped,
    new_master_key,
    put_info,
    unwrap,
    wrap,
)
from backups.innodb.pages import PageSize, is_whole, page_size_of

MASTER = MasterKey(bytes(range(32)), "d5416f22-e68c-11f1-8338-02fc00000001")
SECRETS = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)
MASTERS = st.builds(
    MasterKey, st.binary(min_size=32, max_size=32), st.uuids().map(str), st.integers(1, 2**32 - 1)
)
# As flags of a tablespace: 16, 4, 8, 32 and 64 KiB, and 8 KiB compressed of 16.
SHAPES = st.sampled_from([0x2021, 3 << 6, 4 << 6, 6 << 6, 7 << 6, 0x2021 | 4 << 1])


def open_info(secret: bytes) -> bytes:
    """Return a key as a donor sends it."""
    checksum = int(google_crc32c.value(secret))
    return b"lCC" + bytes(4) + MASTER.server.encode() + secret + checksum.to_bytes(4, "big")


@pytest.mark.parametrize(
    ("logical", "physical", "offset"),
    [
        (16384, 16384, 10390),
        (16384, 8192, 5270),
        (4096, 4096, 1558),
        (8192, 8192, 3734),
        (32768, 32768, 20630),
        (65536, 65536, 41110),
    ],
)
def test_where_a_key_lies(logical: int, physical: int, offset: int) -> None:
    assert info_offset(PageSize(logical, physical, physical != logical)) == offset


@given(SECRETS, MASTERS)
def test_a_wrapped_key_is_hidden_and_comes_back(secret: bytes, master: MasterKey) -> None:
    wrapped = wrap(open_info(secret), master)
    assert len(wrapped) == INFO_BYTES
    assert wrapped == build_info(secret, master)
    assert has_key(wrapped)
    assert not is_unwrapped(wrapped)
    assert wrapped[7:43].decode() == master.server
    for start in range(0, SECRET_BYTES, 16):
        assert secret[start : start + 16] not in wrapped
    assert unwrap(wrapped, master) == secret


@given(SECRETS, st.integers(0, 8 * INFO_BYTES - 1))
def test_a_key_that_came_damaged_is_not_wrapped(secret: bytes, bit: int) -> None:
    info = bytearray(open_info(secret))
    info[bit // 8] ^= 1 << bit % 8
    # Neither the magic nor the server's name is part of the key.
    if 3 <= bit // 8 < 7 or bit // 8 >= 43:
        with pytest.raises(KeyDamaged):
            wrap(bytes(info), MASTER)


def test_a_key_of_the_wrong_length() -> None:
    with pytest.raises(KeyDamaged, match="63 bytes"):
        build_info(bytes(63), MASTER)


def test_another_master_key_does_not_open_it() -> None:
    wrapped = build_info(bytes(64), MASTER)
    with pytest.raises(KeyDamaged, match="another master key"):
        unwrap(wrapped, replace(MASTER, secret=bytes(32)))


@pytest.mark.parametrize(
    ("info", "key", "is_open"),
    [
        (b"lCC" + bytes(108), True, True),
        (b"lCA" + bytes(108), True, True),
        (b"lCC\0\0\0\1" + bytes(104), True, False),
        (bytes(111), False, False),
        (b"lCD" + bytes(108), False, False),
        (b"", False, False),
    ],
)
def test_what_is_a_key(info: bytes, key: bool, is_open: bool) -> None:
    assert (has_key(info), is_unwrapped(info)) == (key, is_open)


@given(SECRETS, SHAPES, st.integers(1, 2**32 - 1))
def test_a_first_page_with_a_key_is_whole(secret: bytes, flags: int, space: int) -> None:
    size = page_size_of(flags)
    info = build_info(secret, MASTER)
    page = build_encrypted_first_page(space, flags, 90704, info)
    assert len(page) == size.physical
    assert is_whole(page, compressed=size.compressed)
    start = info_offset(size)
    assert page[start : start + INFO_BYTES] == info


@given(SECRETS, SHAPES)
def test_a_torn_page_stays_torn(secret: bytes, flags: int) -> None:
    size = page_size_of(flags)
    info = build_info(secret, MASTER)
    page = build_encrypted_first_page(7, flags, 90704, info)
    torn = page[:100] + b"?" + page[101:]
    assert not is_whole(put_info(torn, info, size), compressed=size.compressed)


def test_each_backup_has_a_master_key_of_its_own() -> None:
    first, second = new_master_key(), new_master_key()
    assert first.secret != second.secret
    assert uuid.UUID(first.server) != uuid.UUID(second.server)
    assert first.name == f"INNODBKey-{first.server}-1"
    assert first.secret.hex() not in repr(first)


def test_a_keyring_file() -> None:
    assert json.loads(build_keyring(MASTER)) == {
        "version": "1.0",
        "elements": [
            {
                "user": "",
                "data_id": "INNODBKey-d5416f22-e68c-11f1-8338-02fc00000001-1",
                "data_type": "AES",
                "data": bytes(range(32)).hex().upper(),
                "extension": [],
            }
        ],
    }
