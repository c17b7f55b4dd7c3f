"""Is a full backup that was made of a chain, byte for byte, what its last link restores?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.archive.blocks import live
from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.blocks.live import LiveBlocks, LiveFrame
from backups.archive.frames import HEADER, MAX_RAW_BYTES, Frame
from backups.archive.reader import BackupReader
from backups.archive.records import Data, FileClosed, FileOpened, PhaseStarted, Record
from backups.exceptions import ArchiveError
from tests.backups.archive.blocks.chains import Chain, State, changed, ibd, sent, states
from tests.backups.archive.stores import KIB, MIB, open_backup, records_of, verify_backup

BIG = os.urandom(12 * MIB + 17)


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def compressed_frames(reader: BackupReader) -> list[bytes]:
    """What is in each frame, unsealed."""
    return [
        bytes(reader.read_compressed(pack.number, place)[1])
        for pack in reader.manifest.contents.packs
        for place in reader.read_index(pack.number).frames
    ]


def test_it_needs_no_other_and_is_what_the_link_restores(chain: Chain) -> None:
    before = {"ibdata1": BIG, "s/orders.ibd": bytes(MIB), "s/a.frm": b"frm", "e": b"", "gone": b"1"}
    after = {**before, "ibdata1": changed(BIG, 3 * MIB, b"new"), "s/b.frm": b"frm 2"}
    del after["gone"]
    chain.add(records_of(before))
    chain.add(records_of({**after, "ibdata1": changed(BIG, 9 * MIB, b"old")}))
    chain.add(records_of(after))
    folder = chain.consolidate()
    contents = open_backup(chain.store, folder).manifest.contents
    assert not contents.needs_others
    assert contents.phases == (0,)
    assert verify_backup(chain.store, folder).damages == []
    assert chain.restored() == after
    # Zeros are not stored, whoever stored them before.
    assert {file.path: file.written_bytes for file in contents.files}["s/orders.ibd"] == 0


def test_frames_that_are_live_as_a_whole_keep_their_compressed_bytes(chain: Chain) -> None:
    chain.add(records_of({"a": BIG, "z": bytes(MIB)}))
    changed_files = {"a": changed(BIG, 5 * MIB, b"new"), "z": bytes(MIB)}
    chain.add(records_of(changed_files), differences=False)
    full, link = (open_backup(chain.store, each) for each in chain.links)
    old = compressed_frames(full)
    new = compressed_frames(open_backup(chain.store, chain.consolidate()))
    # 4 MiB each: of four only the second has a block that has changed.
    assert len(BIG) > 2 * MAX_RAW_BYTES
    assert [frame in new for frame in old[:4]] == [True, False, True, True]
    assert compressed_frames(link)[0] in new


def test_differences_become_blocks(chain: Chain) -> None:
    files = {"a": BIG}
    chain.add(records_of(files))
    for at in (1, 2):
        files = {"a": changed(files["a"], at * 100 * BLOCK_BYTES, b"new")}
        chain.add(records_of(files))
    last = open_backup(chain.store, chain.links[-1]).manifest.contents.blocks
    assert last is not None
    assert last.differences == 1
    made = open_backup(chain.store, chain.consolidate()).manifest.contents.blocks
    assert made is not None
    assert made.differences == 0
    assert verify_backup(chain.store, chain.links[-1]).damages == []
    assert chain.restored() == files


def test_the_next_link_is_based_on_it(chain: Chain) -> None:
    for at in range(3):
        files = {"s/a.ibd": ibd(7, changed(BIG, at * MIB, b"new")), "b": b"x" * 20_000}
        chain.add(records_of(files))
    chain.consolidate()
    chain.add(records_of(files))
    assert chain.stored_bytes() < 10 * KIB
    files["b"] = b"y" * 30_000
    chain.add(records_of(files))
    chain.consolidate()
    assert chain.restored() == files


def test_later_phases_leave_one_content_of_each_block(chain: Chain) -> None:
    page = os.urandom(BLOCK_BYTES)

    def clone() -> Iterator[Record]:
        yield FileOpened(1, "a.ibd")
        yield Data(1, 0, memoryview(BIG))
        yield PhaseStarted()
        yield Data(1, BLOCK_BYTES, memoryview(page))
        # Less than a block: nobody knows the whole of it, and it stays in its phase.
        yield Data(1, 4 * BLOCK_BYTES + 4 * KIB, memoryview(page)[: 4 * KIB])
        yield FileClosed(1, len(BIG))

    final = changed(changed(BIG, BLOCK_BYTES, page), 4 * BLOCK_BYTES + 4 * KIB, page[: 4 * KIB])
    chain.add(clone())
    chain.add(records_of({"a.ibd": BIG}))
    chain.add(clone())
    contents = open_backup(chain.store, chain.consolidate()).manifest.contents
    assert contents.raw_bytes == len(BIG) + 4 * KIB
    assert len(contents.phases) == 2
    assert chain.restored("one") == {"a.ibd": final}
    chain.add(records_of({"a.ibd": final}))
    assert chain.stored_bytes() < BLOCK_BYTES + 10 * KIB
    assert chain.restored("two") == {"a.ibd": final}
    contents = open_backup(chain.store, chain.consolidate()).manifest.contents
    assert contents.phases == (0,)


def test_a_damaged_backup_of_the_chain_is_named(chain: Chain) -> None:
    chain.add(records_of({"a": BIG}))
    chain.add(records_of({"a": changed(BIG, 5 * MIB, b"new")}))
    pack = open_backup(chain.store, chain.links[0]).pack_object(1)
    path = chain.folder / "repository" / pack
    content = bytearray(path.read_bytes())
    content[32 + HEADER.size + 1000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"^orders-1@20260302T010100Z-F is damaged: "):
        chain.consolidate()


def test_a_block_that_is_not_what_the_table_says_is_found(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.add(records_of({"a": BIG}))
    chain.add(records_of({"a": changed(BIG, 5 * MIB, b"new")}))
    read = BackupReader.read_compressed

    def wrong(self: BackupReader, pack: int, place: object) -> object:
        frame, compressed = read(self, pack, place)  # type: ignore[arg-type]
        object.__setattr__(frame, "content", bytes([frame.content[0] ^ 1]) + frame.content[1:])
        return frame, compressed

    monkeypatch.setattr(BackupReader, "read_compressed", wrong)
    with pytest.raises(ArchiveError, match=r"-F is damaged: block \d+ of a is not what the table"):
        chain.consolidate()


def test_blocks_in_parts_are_held_a_bounded_number_at_a_time(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    chain.add(records_of({"a": BIG}, piece=1000))
    chain.add(records_of({"a": changed(BIG, 5 * MIB, b"new")}, piece=1000))
    monkeypatch.setattr(live, "MOST_PARTS", 0)
    with pytest.raises(ArchiveError, match="blocks came in parts"):
        chain.consolidate()


@given(states(), st.data())
@settings(max_examples=120, deadline=None)
def test_any_chain_at_any_time(history: Sequence[State], draw: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        chain = Chain(Path(folder))
        for number, state in enumerate(history):
            records = list(sent(state, draw))
            base = draw.draw(st.integers(0, len(chain.links) - 1)) if chain.links else None
            chain.add(records, base=base)
            wanted = chain.restored(f"chain{number}")
            if len(chain.links) > 1 and draw.draw(st.booleans()):
                made = chain.consolidate()
                assert verify_backup(chain.store, made).damages == []
                assert chain.restored(f"full{number}") == wanted


def test_a_block_that_is_nowhere_is_missed(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.add(records_of({"a": BIG}))
    chain.add(records_of({"a": changed(BIG, 5 * MIB, b"new")}), differences=False)
    take = LiveBlocks.take_live

    def without_link(self: LiveBlocks, depth: int, frame: Frame, *, may_stay: bool) -> LiveFrame:
        return take(self, depth, frame, may_stay=may_stay) if depth == 0 else LiveFrame()

    monkeypatch.setattr(LiveBlocks, "take_live", without_link)
    with pytest.raises(ArchiveError, match=r"^block 320 of a is in no backup of the chain$"):
        chain.consolidate()
