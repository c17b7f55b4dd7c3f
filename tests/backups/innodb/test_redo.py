"""Which checkpoint does a redo header tell?"""

from __future__ import annotations

import google_crc32c
import pytest

from backups.innodb.redo import HEADER_BYTES, checkpoint_lsn


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
