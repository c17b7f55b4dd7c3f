"""When are changed blocks stored as differences, and does a restore give the blocks?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.archive.blocks import differences as module
from backups.archive.blocks.differences import READS_AVERAGED, Differences
from backups.archive.blocks.full_blocks import FullBlocks
from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.blocks.verify import verify_chain
from backups.archive.differing import xor
from backups.archive.frames import Extent, Frame
from backups.archive.meter import Meter
from backups.archive.reader import BackupReader
from backups.archive.records import Data, FileClosed, FileOpened, PhaseStarted, Record
from backups.exceptions import ArchiveError
from tests.backups.archive.blocks.chains import Chain, changed, ibd
from tests.backups.archive.stores import MIB, never_stop, open_backup, records_of

BIG = os.urandom(9 * MIB + 17)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def touched(content: bytes, every: int, piece: bytes) -> bytes:
    """Change some bytes of each block of a number."""
    for at in range(100, len(content), every * BLOCK_BYTES):
        content = changed(content, at, piece)[: len(content)]
    return content


def last_of(chain: Chain) -> BackupReader:
    return open_backup(chain.store, chain.links[-1])


def stored_bytes(chain: Chain) -> int:
    return last_of(chain).manifest.contents.stored_bytes


def difference_frames(chain: Chain) -> int:
    blocks = last_of(chain).manifest.contents.blocks
    assert blocks is not None
    return blocks.differences


def verified(chain: Chain) -> list[str]:
    report = verify_chain(chain.opened(), threads=2, check=never_stop, meter=Meter())
    return [str(damage) for damage in report.damages]


@pytest.mark.parametrize("encrypted", [True, False])
def test_blocks_with_few_changed_bytes_take_little_room(chain: Chain, encrypted: bool) -> None:
    chain.add(records_of({"a.ibd": BIG}), encrypted=encrypted)
    one = touched(BIG, 2, b"one")
    chain.add(records_of({"a.ibd": one}), encrypted=encrypted)
    assert difference_frames(chain) > 0
    assert stored_bytes(chain) < 100_000
    assert chain.restored("one") == {"a.ibd": one}
    two = touched(one, 3, b"two")
    chain.add(records_of({"a.ibd": two}), encrypted=encrypted)
    assert stored_bytes(chain) < 100_000
    assert chain.restored("two") == {"a.ibd": two}
    assert verified(chain) == []


def test_a_renamed_file_is_compared_with_what_it_was(chain: Chain) -> None:
    table = ibd(7, BIG)
    chain.add(records_of({"s/a.ibd": table, "s/b.ibd": ibd(8, BIG)}))
    after = {"s/new.ibd": touched(table, 2, b"\1"), "s/a.ibd": ibd(9, BIG[:MIB])}
    chain.add(records_of(after))
    assert difference_frames(chain) > 0
    assert chain.restored() == after


def test_blocks_of_other_content_are_stored_whole(chain: Chain) -> None:
    chain.add(records_of({"a": BIG}))
    other = os.urandom(len(BIG))
    chain.add(records_of({"a": other}))
    assert difference_frames(chain) == 0
    assert chain.restored() == {"a": other}


def test_without_them_blocks_are_stored_whole(chain: Chain) -> None:
    chain.add(records_of({"a": BIG}))
    after = touched(BIG, 2, b"!")
    chain.add(records_of({"a": after}), differences=False)
    assert difference_frames(chain) == 0
    assert stored_bytes(chain) > 4 * MIB
    assert chain.restored() == {"a": after}


def clone(content: bytes, late: bytes) -> Iterator[Record]:
    """A page of a later phase, in the middle."""
    yield FileOpened(1, "a.ibd")
    yield Data(1, 0, memoryview(content))
    yield PhaseStarted()
    yield Data(1, 2 * BLOCK_BYTES, memoryview(late))
    yield FileClosed(1, len(content))


def test_a_difference_is_of_what_the_full_backup_has_in_the_end(chain: Chain) -> None:
    late = os.urandom(BLOCK_BYTES)
    final = changed(BIG, 2 * BLOCK_BYTES, late)
    chain.add(clone(BIG, late))
    after = touched(final, 1, b"after")
    later = os.urandom(BLOCK_BYTES)
    chain.add(clone(after, later))
    assert difference_frames(chain) > 0
    assert stored_bytes(chain) < 100_000
    assert chain.restored("one") == {"a.ibd": changed(after, 2 * BLOCK_BYTES, later)}
    chain.add(records_of({"a.ibd": after}))
    assert chain.restored("two") == {"a.ibd": after}
    assert verified(chain) == []


def test_a_block_that_is_sent_again_is_not_a_difference_of_itself(chain: Chain) -> None:
    chain.add(records_of({"a": BIG}))
    after = touched(BIG, 1, b"after")
    again = os.urandom(BLOCK_BYTES)
    records: list[Record] = [
        FileOpened(1, "a"),
        Data(1, 0, memoryview(after)),
        Data(1, BLOCK_BYTES, memoryview(again)),
        Data(1, 2 * BLOCK_BYTES + 5, memoryview(again)[:7]),
        FileClosed(1, len(after)),
    ]
    chain.add(records)
    assert difference_frames(chain) > 0
    final = changed(after, BLOCK_BYTES, again)
    assert chain.restored() == {"a": changed(final, 2 * BLOCK_BYTES + 5, again[:7])}


def test_the_files_are_longer_or_shorter_than_the_full_backups(chain: Chain) -> None:
    chain.add(records_of({"grows": BIG, "shrinks": BIG}))
    grown = touched(BIG, 1, b"x") + os.urandom(3 * BLOCK_BYTES + 5)
    after = {"grows": grown, "shrinks": touched(BIG, 1, b"y")[: 5 * MIB + 3]}
    chain.add(records_of(after))
    assert difference_frames(chain) > 0
    assert chain.restored() == after


def test_a_frame_of_a_link_alone_is_not_taken_for_content(chain: Chain) -> None:
    chain.add(records_of({"a": BIG}))
    chain.add(records_of({"a": touched(BIG, 1, b"x")}))
    reader = last_of(chain)
    frame = reader.read_frame(1, reader.read_index(1).frames[0])
    assert frame.is_difference
    with pytest.raises(ArchiveError, match="the full backup is not at hand"):
        reader.resolve(frame)


def test_a_page_check_sees_the_pages(chain: Chain) -> None:
    after = touched(BIG, 1, b"x")
    chain.add(records_of({"a": BIG}))
    chain.add(records_of({"a": after}))
    seen: dict[int, bytes] = {}

    def inspect(frame: Frame) -> None:
        start = 0
        for extent in frame.extents:
            seen[extent.offset] = frame.content[start : start + extent.length]
            start += extent.length

    verify_chain(chain.opened(), threads=2, check=never_stop, meter=Meter(), inspect=inspect)
    pages = {at: piece for at, piece in seen.items() if at or len(piece) > 10 * BLOCK_BYTES}
    assert all(after[at : at + len(piece)] == piece for at, piece in pages.items())


def test_a_verify_finds_what_a_difference_is_of_once(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For its pages and for its blocks."""
    chain.add(records_of({"a": BIG}))
    chain.add(records_of({"a": touched(BIG, 2, b"x")}))
    read, calls = FullBlocks.read, list[int]()

    def counted(full: FullBlocks, extents: list[Extent]) -> bytes:
        calls.append(len(extents))
        return read(full, extents)

    monkeypatch.setattr(FullBlocks, "read", counted)
    assert verified(chain) == []
    assert len(calls) == difference_frames(chain)


def test_damage_of_the_full_backup_is_found_through_differences(chain: Chain) -> None:
    """Every block is stored as a difference: of the full backup's blocks none is live."""
    full = chain.add(records_of({"a": bytes(range(256)) * (BLOCK_BYTES // 4)}), encrypted=False)
    chain.add(records_of({"a": touched(bytes(range(256)) * (BLOCK_BYTES // 4), 1, b"x")}))
    reader = open_backup(chain.store, full)
    place = reader.read_index(1).frames[0]
    path = chain.folder / "repository" / reader.pack_object(1)
    content = bytearray(path.read_bytes())
    content[place.offset + place.stored_bytes // 2] ^= 1
    path.write_bytes(content)
    assert verified(chain)
    with pytest.raises(ArchiveError):
        chain.restored()


class SlowStore:
    """What reads a full backup: slowly, or not at all."""

    def __init__(self, error: str = "", *, is_far: bool = False) -> None:
        self.error, self.read, self.is_far = error, 0, is_far

    def read_near(self, extents: list[Extent], most_bytes: int) -> bytes | None:
        self.read += 1
        if self.error:
            raise ArchiveError(self.error)
        if self.is_far:
            return None
        return bytes(sum(extent.length for extent in extents))


def test_a_full_backup_that_cannot_be_read_ends_them(chain: Chain) -> None:
    store = SlowStore("packs/000001.pack: its seal does not open")
    found = Differences(store)  # type: ignore[arg-type]
    assert found.of([Extent(1, 0, 4)], b"1234") is None
    assert "its seal does not open" in found.ended
    assert found.of([Extent(1, 0, 4)], b"1234") is None
    assert store.read == 1


def test_a_slow_repository_ends_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOWEST_READ_S", -1.0)
    found = Differences(SlowStore())  # type: ignore[arg-type]
    for _ in range(READS_AVERAGED):
        assert not found.ended
        assert found.of([Extent(1, 0, 4)], b"1234") == b"1234"
    assert "for each frame" in found.ended
    assert found.of([Extent(1, 0, 4)], b"1234") is None


def test_indexes_that_are_slow_to_read_end_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the blocks are too far from each other each time."""
    monkeypatch.setattr(module, "SLOWEST_READ_S", -1.0)
    store = SlowStore(is_far=True)
    found = Differences(store)  # type: ignore[arg-type]
    for _ in range(READS_AVERAGED + 5):
        assert found.of([Extent(1, 0, 4)], b"1234") is None
    assert "for each frame" in found.ended
    assert store.read == READS_AVERAGED


def test_what_does_not_pay_is_tried_less_and_less() -> None:
    store = SlowStore()
    found = Differences(store)  # type: ignore[arg-type]
    for _ in range(500):
        if found.of([Extent(1, 0, 4)], b"1234") is not None:
            found.note(paid=False)
    assert 8 < store.read < 20


def test_blocks_far_from_each_other_are_stored_whole(chain: Chain) -> None:
    chain.add(records_of({"a": BIG}))
    full = FullBlocks(open_backup(chain.store, chain.links[0]))
    near = [Extent(1, 0, BLOCK_BYTES)]
    assert full.read_near(near, 4 * MIB) == BIG[:BLOCK_BYTES]
    assert full.read_near([*near, Extent(1, 8 * MIB, BLOCK_BYTES)], 4 * MIB) is None


def test_places_of_the_full_backup_are_read_in_any_order(chain: Chain) -> None:
    late = os.urandom(BLOCK_BYTES)
    chain.add(clone(BIG, late))
    full = FullBlocks(open_backup(chain.store, chain.links[0]))
    final = changed(BIG, 2 * BLOCK_BYTES, late) + bytes(100)
    extents = [Extent(1, 8 * MIB, 3 * MIB), Extent(0, 5, 7), Extent(1, 100, 5 * MIB)]
    expected = final[8 * MIB :].ljust(3 * MIB, b"\0") + bytes(7) + final[100 : 100 + 5 * MIB]
    assert full.read(extents) == expected


@pytest.mark.parametrize("length", [0, 1, 7, 8, 100, BLOCK_BYTES])
def test_a_difference_of_a_difference_is_the_content(length: int) -> None:
    one, two = os.urandom(length), os.urandom(length)
    assert xor(xor(memoryview(one), two), two) == one
