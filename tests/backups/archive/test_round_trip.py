"""What was written comes back, whatever its size, shape and order."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.archive import pack_writer
from backups.archive.frames import MAX_EXTENTS
from backups.archive.records import (
    Data,
    FileClosed,
    FileOpened,
    FileRemoved,
    FileRenamed,
    PhaseStarted,
    Record,
)
from tests.backups.archive.stores import (
    KIB,
    MIB,
    extract_backup,
    make_store,
    open_backup,
    records_of,
    verify_backup,
    write_backup,
)

FILES = {
    "ibdata1": os.urandom(5 * MIB + 17),
    "shop/orders.ibd": bytes(9 * MIB) + os.urandom(4096) + bytes(3 * MIB),
    "shop/orders.frm": b"frm",
    "shop/empty.isl": b"",
    "odd/na me 'q\" #ü.MYD": b"x" * 70_000,
}

names = st.lists(
    st.text(
        st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8
    ).filter(lambda part: part not in {".", ".."}),
    min_size=1,
    max_size=3,
).map(
    # No file has the name of another one's folder.
    lambda parts: "/".join([*(f"_{part}" for part in parts[:-1]), f"={parts[-1]}"])
)
contents = st.one_of(
    st.binary(max_size=300),
    st.integers(0, 40 * KIB).map(bytes),
    st.integers(1, 40 * KIB).map(lambda size: os.urandom(size)),
)


@pytest.mark.parametrize("encrypted", [True, False])
def test_files_come_back_byte_for_byte(tmp_path: Path, encrypted: bool) -> None:
    store = make_store(tmp_path / "r")
    folder = write_backup(store, records_of(FILES), encrypted=encrypted)

    assert extract_backup(store, folder, tmp_path / "out") == FILES
    report = verify_backup(store, folder)
    assert (report.damages, report.files) == ([], len(FILES))


def interleaved(files: dict[str, bytes], piece: int, order: st.DataObject) -> Iterator[Record]:
    """All files at once, their pieces in an order of Hypothesis's choice."""
    left: dict[int, list[Data]] = {}
    for number, (path, content) in enumerate(files.items()):
        yield FileOpened(number, path)
        starts = range(0, len(content), piece)
        left[number] = [Data(number, at, memoryview(content[at : at + piece])) for at in starts]
    while left:
        number = order.draw(st.sampled_from(sorted(left)))
        if left[number]:
            yield left[number].pop(order.draw(st.sampled_from([0, -1])))
        else:
            del left[number]
            yield FileClosed(number, len(list(files.values())[number]))


@settings(max_examples=30, deadline=None)
@given(
    files=st.dictionaries(names, contents, max_size=5),
    piece=st.sampled_from([100, 4096, 5000, 16 * KIB]),
    full_bytes=st.sampled_from([1, 8 * KIB, MIB]),
    encrypted=st.booleans(),
    order=st.data(),
)
def test_any_files_in_any_order_come_back(
    files: dict[str, bytes], piece: int, full_bytes: int, encrypted: bool, order: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        store = make_store(Path(scratch, "r"))
        records = interleaved(files, piece, order)
        folder = write_backup(store, records, encrypted=encrypted, full_bytes=full_bytes)

        assert extract_backup(store, folder, Path(scratch, "out")) == files
        assert verify_backup(store, folder).damages == []


def test_a_full_pack_is_followed_by_another(tmp_path: Path) -> None:
    content = os.urandom(13 * MIB)
    store = make_store(tmp_path / "r")
    folder = write_backup(store, records_of({"big": content, "x": b"x"}), full_bytes=5 * MIB)

    listed = open_backup(store, folder).manifest.contents
    # Frames of 4 MiB: the second one fills a pack of 5 MiB. The last one is the block table.
    assert [(p.number, p.first_frame, p.frames) for p in listed.packs] == [
        (1, 0, 2),
        (2, 2, 2),
        (3, 4, 1),
    ]
    assert [(f.path, f.first_pack, f.last_pack) for f in listed.files] == [
        ("big", 1, 2),
        ("x", 2, 2),
    ]
    assert extract_backup(store, folder, tmp_path / "out") == {"big": content, "x": b"x"}


def test_a_pack_ends_when_its_index_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_writer, "FULL_EXTENTS", 2)
    store = make_store(tmp_path / "r")
    folder = write_backup(store, records_of({"zeros": bytes(20 * MIB)}, piece=4 * MIB))

    assert [p.frames for p in open_backup(store, folder).manifest.contents.packs] == [2, 2, 2]


def test_more_extents_than_a_frame_can_list(tmp_path: Path) -> None:
    content = os.urandom(2 * MAX_EXTENTS + 1)
    store = make_store(tmp_path / "r")
    folder = write_backup(store, records_of({"tiny": content}, piece=1))

    frames = open_backup(store, folder).read_index(1).frames
    # The last one is of the block table.
    assert [len(place.extents) for place in frames[:-1]] == [MAX_EXTENTS, MAX_EXTENTS, 1]
    assert extract_backup(store, folder, tmp_path / "out") == {"tiny": content}


def test_a_backup_of_nothing_is_a_backup(tmp_path: Path) -> None:
    store = make_store(tmp_path / "r")
    folder = write_backup(store, [])

    assert open_backup(store, folder).manifest.contents.packs == ()
    assert extract_backup(store, folder, tmp_path / "out") == {}
    assert verify_backup(store, folder).passed


def phased(*phases: list[tuple[int, bytes]], size: int) -> Iterator[Record]:
    """One file, written in phases of (offset, bytes)."""
    yield FileOpened(7, "t.ibd")
    for phase in phases:
        yield PhaseStarted()
        for offset, piece in phase:
            yield Data(7, offset, memoryview(piece))
    yield FileClosed(7, size)


@pytest.mark.parametrize("full_bytes", [1, MIB])
def test_a_later_phase_overrides_an_earlier_one(tmp_path: Path, full_bytes: int) -> None:
    store = make_store(tmp_path / "r")
    page = 16 * KIB
    # Zeros of a later phase are bytes like any other: no hole may keep what was there before.
    records = phased(
        [(0, b"a" * 4 * page)],
        [(page, bytes(page)), (3 * page, b"b" * page)],
        [(3 * page, b"c" * 10)],
        size=4 * page,
    )
    folder = write_backup(store, records, full_bytes=full_bytes)

    expected = b"a" * page + bytes(page) + b"a" * page + b"c" * 10 + b"b" * (page - 10)
    assert extract_backup(store, folder, tmp_path / "out") == {"t.ibd": expected}
    assert verify_backup(store, folder).passed


def test_a_phase_without_frames_changes_nothing(tmp_path: Path) -> None:
    store = make_store(tmp_path / "r")
    folder = write_backup(store, phased([], [(0, b"x")], [], [], size=1))

    assert list(open_backup(store, folder).manifest.contents.phases) == [0, 1]
    assert extract_backup(store, folder, tmp_path / "out") == {"t.ibd": b"x"}


def test_holes_stay_holes(tmp_path: Path) -> None:
    store = make_store(tmp_path / "r")
    records: list[Record] = [
        FileOpened(1, "never-written"),
        FileClosed(1, 64 * MIB),
        FileOpened(2, "zeros-written"),
        Data(2, 0, memoryview(bytes(4 * MIB))),
        Data(2, 4 * MIB, memoryview(b"x" * 4096)),
        Data(2, 4 * MIB + 4096, memoryview(bytes(4 * MIB - 4096))),
        FileClosed(2, 8 * MIB),
    ]
    folder = write_backup(store, records)

    found = extract_backup(store, folder, tmp_path / "out")
    assert found["never-written"] == bytes(64 * MIB)
    assert found["zeros-written"] == bytes(4 * MIB) + b"x" * 4096 + bytes(4 * MIB - 4096)
    for name in found:
        assert (tmp_path / "out" / name).stat().st_blocks * 512 <= 64 * KIB


def test_renamed_and_removed_files_are_what_they_became(tmp_path: Path) -> None:
    store = make_store(tmp_path / "r")
    records = [
        *records_of({"shop/a.ibd": b"a", "shop/b.ibd": b"b", "shop/c.ibd": b"c"}),
        FileRemoved(2),
        FileRenamed(1, "shop/b.ibd"),
        FileOpened(9, "shop/a.ibd"),
        Data(9, 0, memoryview(b"new")),
        FileClosed(9, 3),
    ]
    folder = write_backup(store, records)

    expected = {"shop/a.ibd": b"new", "shop/b.ibd": b"a", "shop/c.ibd": b"c"}
    assert extract_backup(store, folder, tmp_path / "out") == expected
    # The bytes of the removed file are still in a frame, and nobody's.
    assert verify_backup(store, folder).passed


def test_two_stores_get_the_same_bytes(tmp_path: Path) -> None:
    stores = [make_store(tmp_path / name) for name in ("first", "second")]
    folder = write_backup(stores, records_of(FILES), full_bytes=MIB)

    first, second = (sorted(store.list(folder)) for store in stores)
    assert first == second
    for name in first:
        assert stores[0].read(name) == stores[1].read(name)
    assert extract_backup(stores[1], folder, tmp_path / "out") == FILES


def test_only_the_wanted_files_are_read(tmp_path: Path) -> None:
    store = make_store(tmp_path / "r")
    files = {f"shop/{n}.ibd": os.urandom(4 * MIB) for n in range(3)}
    folder = write_backup(store, records_of(files), full_bytes=1)
    # Were another pack touched, this would fail.
    for number in (1, 3):
        (tmp_path / "r" / folder / f"packs/{number:06d}.pack").unlink()

    found = extract_backup(store, folder, tmp_path / "out", lambda path: path == "shop/1.ibd")

    assert found == {"shop/1.ibd": files["shop/1.ibd"]}


def test_only_the_owner_may_enter_the_folders(tmp_path: Path) -> None:
    store = make_store(tmp_path / "r")
    folder = write_backup(store, records_of({"a/b/c.ibd": b"c"}))
    extract_backup(store, folder, tmp_path / "out")

    modes = [(tmp_path / "out" / part).stat().st_mode & 0o777 for part in ("a", "a/b")]
    assert modes == [0o700, 0o700]


def test_only_the_owner_may_read_a_keyring(tmp_path: Path) -> None:
    store = make_store(tmp_path / "r")
    paths = ["mooring-keyring/keys", "shop/orders.ibd", "shop/mooring-keyring/keys"]
    folder = write_backup(store, records_of(dict.fromkeys(paths, b"k")))
    extract_backup(store, folder, tmp_path / "out")

    modes = [(tmp_path / "out" / path).stat().st_mode & 0o777 for path in paths]
    assert modes[0] == 0o600
    assert modes[1:] == [0o640] * 2
