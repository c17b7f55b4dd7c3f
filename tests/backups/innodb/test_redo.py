"""Which checkpoint does a redo header have, and where does the log end?"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import google_crc32c
import pytest

from backups.innodb.redo import HEADER_BYTES, checkpoint_lsn, end_lsn


def header(first: int | None, second: int | None) -> bytearray:
    made = bytearray(HEADER_BYTES)
    for start, lsn in ((512, first), (1536, second)):
        if lsn is not None:
            made[start + 8 : start + 16] = lsn.to_bytes(8, "big")
            block = bytes(made[start : start + 508])
            made[start + 508 : start + 512] = google_crc32c.value(block).to_bytes(4, "big")
    return made


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [(19049536, 19049536, 19049536), (7, 9, 9), (9, 7, 9), (7, None, 7), (None, None, None)],
)
def test_the_newest_one(first: int | None, second: int | None, found: int | None) -> None:
    assert checkpoint_lsn(bytes(header(first, second))) == found


def test_a_torn_one_does_not_count() -> None:
    made = header(7, 9)
    made[1536 + 100] = 1
    assert checkpoint_lsn(bytes(made)) == 7


def test_half_a_header_tells_nothing() -> None:
    assert checkpoint_lsn(b"") is None
    assert checkpoint_lsn(bytes(header(7, 9)[:600])) is None


def redo_file(folder: Path, start: int, blocks: int, last_used: int, *, spare: int = 8) -> int:
    """Return a descriptor of a file that begins at ``start``, with spare blocks at its end."""
    made = bytearray(HEADER_BYTES + 512 * (blocks + spare))
    made[8:16] = start.to_bytes(8, "big")
    for index in range(blocks):
        used = last_used if index == blocks - 1 else 512
        number = ((start // 512 + index) & 0x3FFFFFFF) + 1
        struct.pack_into(">IH", made, HEADER_BYTES + 512 * index, number | 1 << 31, used)
    path = folder / "redo"
    path.write_bytes(made)
    return os.open(path, os.O_RDONLY)


@pytest.mark.parametrize("spare", [0, 1, 8])
@pytest.mark.parametrize(("blocks", "used"), [(1, 12), (1, 512), (2, 14), (77, 300), (128, 512)])
def test_a_log_ends_within_its_last_block(
    tmp_path: Path, blocks: int, used: int, spare: int
) -> None:
    # Beyond the first number that block numbers repeat after.
    start = 512 * (1 << 30) + 512 * 4711
    descriptor = redo_file(tmp_path, start, blocks, used, spare=spare)
    assert end_lsn(descriptor) == start + 512 * (blocks - 1) + used


def test_a_block_of_an_encrypted_log_counts(tmp_path: Path) -> None:
    assert end_lsn(redo_file(tmp_path, 5120, 2, 100 | 1 << 15)) == 5120 + 512 + 100


@pytest.mark.parametrize("content", [b"", bytes(HEADER_BYTES), bytes(HEADER_BYTES + 5120)])
def test_a_log_without_a_block_has_no_end(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "redo"
    path.write_bytes(content)
    assert end_lsn(os.open(path, os.O_RDONLY)) is None
