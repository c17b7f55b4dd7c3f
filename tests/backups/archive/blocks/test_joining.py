"""Are differences joined with the full backup's blocks before these are written?"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.archive.blocks import linked_differences
from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.extract import extract
from backups.archive.meter import Meter
from backups.archive.packs import FramePlace
from backups.archive.reader import BackupReader
from backups.archive.records import Data, FileClosed, FileOpened, PhaseStarted, Record
from backups.exceptions import ArchiveError
from tests.backups.archive.blocks.chains import Chain, ibd
from tests.backups.archive.blocks.test_differences import difference_frames, touched
from tests.backups.archive.stores import MIB, contents_of, never_stop, records_of

BIG = os.urandom(9 * MIB + 17)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    """Each link changes other blocks, and some that one before changed."""
    chain, content = Chain(tmp_path), BIG
    chain.add(records_of({"a.ibd": content, "same": BIG[:MIB]}))
    for every in (2, 3, 5):
        content = touched(content, every, b"%d" % every)
        chain.add(records_of({"a.ibd": content, "same": BIG[:MIB]}))
        assert difference_frames(chain) > 0
    return chain


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, int]]:
    """How often each frame is opened."""
    found: Counter[tuple[str, int]] = Counter()
    read, read_difference = BackupReader.read_frame, BackupReader.read_difference

    def frame(self: BackupReader, pack: int, place: FramePlace) -> object:
        found[self.folder, place.number] += 1
        return read(self, pack, place)

    def difference(self: BackupReader, pack: int, number: int, *where: int) -> object:
        found[self.folder, number] += 1
        return read_difference(self, pack, number, *where)

    monkeypatch.setattr(BackupReader, "read_frame", frame)
    monkeypatch.setattr(BackupReader, "read_difference", difference)
    return found


def restored(chain: Chain, name: str, meter: Meter) -> dict[str, bytes]:
    target = chain.folder / name
    target.mkdir()
    extract(chain.opened(), target, threads=2, check=never_stop, meter=meter)
    return contents_of(target)


def test_each_byte_is_written_once_and_each_frame_opened_once(
    chain: Chain, opened: Counter[tuple[str, int]]
) -> None:
    meter = Meter()
    found = restored(chain, "once", meter)
    size = sum(map(len, found.values()))
    assert meter.raw_bytes == meter.raw_bytes_total == size == len(BIG) + MIB
    # The table's frames are looked up beside those of files.
    tables = {
        (reader.folder, frame.frame)
        for reader in chain.opened()
        if (blocks := reader.manifest.contents.blocks)
        for frame in blocks.frames
    }
    assert {times for frame, times in opened.items() if frame not in tables} == {1}


def test_frames_that_are_not_kept_are_opened_again(
    chain: Chain, opened: Counter[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = restored(chain, "kept", Meter())
    once = sum(opened.values())
    monkeypatch.setattr(linked_differences, "FRAMES_KEPT", 1)
    assert restored(chain, "one", Meter()) == kept
    assert sum(opened.values()) > 2 * once


def test_what_a_later_phase_overrides_is_not_joined(tmp_path: Path) -> None:
    """The full backup's first bytes of a block are not those that the difference is of."""
    chain, late = Chain(tmp_path), os.urandom(BLOCK_BYTES)
    chain.add(in_phases(BIG, late))
    final = BIG[: 2 * BLOCK_BYTES] + late + BIG[3 * BLOCK_BYTES :]
    after = touched(final, 1, b"!")
    chain.add(records_of({"a.ibd": after}))
    assert difference_frames(chain) > 0
    meter = Meter()
    assert restored(chain, "phases", meter) == {"a.ibd": after}
    # That block alone comes first, and again with its difference.
    assert meter.raw_bytes == len(BIG) + 2 * BLOCK_BYTES


def in_phases(content: bytes, late: bytes) -> Iterator[Record]:
    yield FileOpened(1, "a.ibd")
    yield Data(1, 0, memoryview(content))
    yield PhaseStarted()
    yield Data(1, 2 * BLOCK_BYTES, memoryview(late))
    yield FileClosed(1, len(content))


def test_two_files_of_one_get_each_its_own(tmp_path: Path) -> None:
    chain, table = Chain(tmp_path), ibd(7, BIG)
    chain.add(records_of({"s/a.ibd": table}))
    after = {"s/a.ibd": touched(table, 2, b"one"), "s/copy.ibd": touched(table, 3, b"two")}
    chain.add(records_of(after))
    assert difference_frames(chain) > 0
    assert restored(chain, "both", Meter()) == after
    chain.consolidate()
    assert chain.restored("made") == after


def test_a_damaged_difference_names_its_backup(chain: Chain) -> None:
    pack = chain.folder / "repository" / chain.opened()[2].pack_object(1)
    content = bytearray(pack.read_bytes())
    content[100] ^= 1
    pack.write_bytes(content)
    label = chain.opened()[2].manifest.envelope.label
    with pytest.raises(ArchiveError, match=f"{label}/packs/000001.pack at byte 32: "):
        restored(chain, "damaged", Meter())
    with pytest.raises(ArchiveError, match=f"^{label} is damaged: "):
        chain.consolidate()
