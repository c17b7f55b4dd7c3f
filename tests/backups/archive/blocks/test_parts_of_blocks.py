"""Are parts of blocks that nobody sent, or beyond the end of a file, zeros in a restore?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.records import Data, FileClosed, FileOpened, PhaseStarted, Record
from tests.backups.archive.blocks.chains import Chain, changed
from tests.backups.archive.blocks.test_differences import difference_frames, touched, verified
from tests.backups.archive.blocks.test_extract_chains import extracted
from tests.backups.archive.stores import KIB, MIB, records_of

BIG = os.urandom(2 * MIB)
CUT = 5 * BLOCK_BYTES


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def check(chain: Chain, expected: bytes) -> None:
    """With both readers."""
    assert verified(chain) == []
    assert chain.restored("ours") == {"a": expected}
    assert extracted(chain, "theirs") == {"a": expected}


def with_hole(content: bytes, late: bytes = b"") -> Iterator[Record]:
    """A block of which only the first 4 KiB are sent, and perhaps more later."""
    yield FileOpened(1, "a")
    yield Data(1, 0, memoryview(content)[: CUT + 4 * KIB])
    yield Data(1, CUT + BLOCK_BYTES, memoryview(content)[CUT + BLOCK_BYTES :])
    if late:
        yield PhaseStarted()
        yield Data(1, CUT + 5 * KIB, memoryview(late))
    yield FileClosed(1, len(content))


@pytest.mark.parametrize("late", [b"", b"late"], ids=["at once", "and later"])
def test_a_hole_beside_differences(chain: Chain, late: bytes) -> None:
    chain.add(records_of({"a": BIG}))
    after = touched(BIG, 1, b"x")
    expected = changed(after, CUT + 4 * KIB, bytes(12 * KIB))
    expected = changed(expected, CUT + 5 * KIB, late)
    chain.add(with_hole(after, late))
    assert difference_frames(chain) > 0
    check(chain, expected)


def test_a_hole_in_a_backup_between(chain: Chain) -> None:
    chain.add(records_of({"a": BIG}))
    after = touched(BIG, 1, b"x")
    expected = changed(after, CUT + 4 * KIB, bytes(12 * KIB))
    chain.add(with_hole(after))
    chain.add(with_hole(after))
    check(chain, expected)


def test_a_file_that_was_cut_and_grew_by_zeros(chain: Chain) -> None:
    """The last block is what it was in the shorter file, and not what it was before."""
    chain.add(records_of({"a": BIG}))
    cut = touched(BIG, 1, b"x")[:-1000]
    chain.add(records_of({"a": cut}))
    assert difference_frames(chain) > 0
    chain.add(records_of({"a": cut + bytes(1000)}))
    check(chain, cut + bytes(1000))


@pytest.mark.parametrize("piece", [4 * KIB, 6000, MIB])
def test_a_file_that_was_cut_where_zeros_began(chain: Chain, piece: int) -> None:
    """Zeros that are beyond its end are not written: it would be longer."""
    cut = b"x" * 5000
    chain.add(records_of({"a": cut.ljust(BLOCK_BYTES, b"\0")}, piece=piece))
    chain.add(records_of({"a": cut}, piece=piece))
    check(chain, cut)
