"""Are bytes of a full backup found at any place of any file, by many threads and in time?"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from backups.archive import gathering
from backups.archive.blocks import full_blocks
from backups.archive.blocks.full_blocks import FullBlocks
from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.frames import Extent, Frame
from backups.archive.packs import FramePlace, PackIndex
from backups.archive.reader import BackupReader
from backups.archive.records import Data, FileClosed, FileOpened, PhaseStarted, Record
from backups.exceptions import RepositoryError
from tests.backups.archive.blocks.chains import changed
from tests.backups.archive.stores import KEYRING, make_store, write_backup

BLOCKS = 60
FIRST = os.urandom(BLOCKS * BLOCK_BYTES)
PIECE = os.urandom(5000)


def later(content: bytes, every: int) -> bytes:
    for at in range(300, len(content), every * BLOCK_BYTES):
        content = changed(content, at, PIECE)
    return content


FINAL = later(later(FIRST, 7), 11)


def records() -> Iterator[Record]:
    """Two files by turns, and two phases with parts of blocks all over one of them."""
    yield FileOpened(1, "other")
    yield FileOpened(2, "a")
    for at in range(0, len(FIRST), BLOCK_BYTES):
        for number in (1, 2):
            yield Data(number, at, memoryview(FIRST[at : at + BLOCK_BYTES]))
    for every in (7, 11):
        yield PhaseStarted()
        for at in range(300, len(FIRST), every * BLOCK_BYTES):
            yield Data(2, at, memoryview(PIECE))
    yield FileClosed(1, len(FIRST))
    yield FileClosed(2, len(FIRST))


class FlakyReader(BackupReader):
    """Counts what is read; every third frame cannot be read at first."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        store = make_store(folder / "repository")
        with monkeypatch.context() as patch:
            patch.setattr(gathering, "MAX_RAW_BYTES", 3 * BLOCK_BYTES)
            # Each frame in a pack of its own.
            link = write_backup(store, records(), full_bytes=1)
        super().__init__(store, link, KEYRING)
        self.indexes, self.refused, self.is_flaky = 0, set[int](), False

    def read_index(self, number: int) -> PackIndex:
        self.indexes += 1
        return super().read_index(number)

    def read_frame(self, pack: int, place: FramePlace) -> Frame:
        if self.is_flaky and pack % 3 == 0 and pack not in self.refused:
            self.refused.add(pack)
            raise RepositoryError("the disk does not answer")
        return super().read_frame(pack, place)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FlakyReader:
    found = FlakyReader(tmp_path, monkeypatch)
    assert len(found.manifest.contents.packs) > full_blocks.FEW_PACKS
    return found


def test_many_threads_read_what_a_restore_has(
    reader: FlakyReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With frames and indexes that are dropped and read again, and errors meanwhile."""
    monkeypatch.setattr(full_blocks, "EXTENTS_KEPT", 6)
    monkeypatch.setattr(full_blocks, "FRAMES_KEPT", 2)
    reader.is_flaky = True
    full = FullBlocks(reader)

    def look(seed: int) -> int:
        chance, errors = random.Random(seed), 0
        for _ in range(40):
            at, length = chance.randrange(len(FINAL) + 100), chance.randrange(3 * BLOCK_BYTES)
            extents = [Extent(2, at, length), Extent(9, at, 7), Extent(1, at, length)]
            try:
                found = full.read(extents)
            except RepositoryError:
                errors += 1
                continue
            one, other = FINAL[at : at + length], FIRST[at : at + length]
            assert found == one.ljust(length, b"\0") + bytes(7) + other.ljust(length, b"\0")
        return errors

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(look, range(8))) == len(reader.refused) > 5


def test_only_packs_that_have_the_place_are_looked_at(
    reader: FlakyReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all, the place is known after the first read: a file may be in thousands."""
    full = FullBlocks(reader)
    full.read([Extent(2, 0, 1)])
    read = reader.indexes
    assert read > full_blocks.FEW_PACKS
    asked: list[int] = []
    monkeypatch.setattr(FullBlocks, "_range", lambda full, number, file: asked.append(number))
    for block in range(BLOCKS):
        at = block * BLOCK_BYTES
        assert full.read([Extent(2, at, BLOCK_BYTES)]) == FINAL[at : at + BLOCK_BYTES]
    assert asked == []
    assert reader.indexes == read


def test_an_index_that_is_slow_to_read_holds_up_no_other(
    reader: FlakyReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, begun, answered = FullBlocks(reader), Event(), Event()
    read_index = reader.read_index

    def read_slowly(number: int) -> PackIndex:
        if number == 1:
            begun.set()
            assert answered.wait(30)
        return read_index(number)

    monkeypatch.setattr(reader, "read_index", read_slowly)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(full._index, 1)
        assert begun.wait(30)
        other = full._index(2)
        answered.set()
        found = held.result()
    assert full._extents_kept == found.extents + other.extents
