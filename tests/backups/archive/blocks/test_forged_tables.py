"""What if somebody forged the block table of a backup that needs others?

Hundreds of changes: a clean error or a restore, nothing outside the target, and no more memory
and time than the bytes that are stored account for.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backups.archive.blocks.builder import TableBuilder
from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.archive.blocks.places import Places
from backups.archive.blocks.reading import PieceContent, StoredTable
from backups.archive.blocks.table import (
    MOST_BACKUPS,
    MOST_SHARED,
    PIECE_BLOCKS,
    ZERO,
    BlockTable,
)
from backups.archive.cipher import Unencrypted
from backups.archive.manifest import manifest_digest, seal_manifest
from backups.archive.records import Data, FileClosed, FileOpened, PhaseStarted, Record
from backups.exceptions import ArchiveError
from backups.repositories.layout import manifest_name
from tests.backups.archive.blocks.chains import Chain, ibd
from tests.backups.archive.stores import load_extractor, open_backup, records_of
from tests.backups.archive.test_fuzz import VALUES, bounded, changed, listing

EXTRACTOR = load_extractor()
HUGE = 1 << 62
NUMBERS = st.sampled_from(
    [0, 1, 2, 3, 9, 16, 253, 254, 255, 4095, 4096, 4097, 1 << 20, (1 << 49) - 4096, HUGE]
)
CHANGES = st.lists(st.tuples(st.integers(0, 90), NUMBERS | VALUES), min_size=1, max_size=4)
IN_TIME = timedelta(seconds=30)
MOST_MEMORY = 64 << 20


def clone(letter: bytes, page: bytes) -> Iterator[Record]:
    """Two files, and a second phase that overrides a block and a part of another."""
    files = {"s/a.ibd": ibd(7, letter * 3 * BLOCK_BYTES), "b": b"b" * 2 * BLOCK_BYTES}
    for number, (path, content) in enumerate(files.items(), start=1):
        yield FileOpened(number, path)
        yield Data(number, 0, memoryview(content))
    yield PhaseStarted()
    yield Data(1, BLOCK_BYTES, memoryview(page * BLOCK_BYTES))
    yield Data(2, 100, memoryview(page * 100))
    for number, content in enumerate(files.values(), start=1):
        yield FileClosed(number, len(content))


def make_chain(folder: Path) -> Chain:
    chain = Chain(folder)
    for letter in (b"1", b"2", b"2"):
        chain.add(clone(letter, letter), encrypted=False)
    return chain


def forge(chain: Chain, contents: Any, number: int = -1) -> str:
    """Put other contents into the manifest of a backup, the last one; return its digest."""
    link = chain.links[number]
    opened = open_backup(chain.store, link).manifest

    class Anything:
        needs_others = number != 0

        def as_json(self) -> Any:
            return contents

    blob = seal_manifest(opened.envelope, opened.about, Anything(), Unencrypted())  # type: ignore[arg-type]
    chain.store.replace(manifest_name(link), blob)
    return manifest_digest(blob)


def contents_in(chain: Chain, number: int = -1) -> Any:
    """What the manifest of a backup says of its contents, as JSON."""
    contents = open_backup(chain.store, chain.links[number]).manifest.contents
    return json.loads(json.dumps(contents.as_json()))


@contextmanager
def put_back(chain: Chain) -> Iterator[None]:
    """Have the manifests afterwards as they were before."""
    blobs = {name: chain.store.read(name) for name in map(manifest_name, chain.links)}
    try:
        yield
    finally:
        for name, blob in blobs.items():
            chain.store.replace(name, blob)


def restore_twice(chain: Chain) -> None:
    """With both readers: an error of theirs, or files; nothing else than these in the target."""
    before = listing(chain.folder)
    label = chain.links[-1].rpartition("/")[2]
    with bounded(MOST_MEMORY):
        with suppress(ArchiveError, OSError):
            chain.restored("ours")
        repository = str(chain.folder / "repository")
        arguments = [repository, "--label", label, "--to", str(chain.folder / "theirs")]
        assert EXTRACTOR.main(arguments) in (0, 1, 2)
    new = {path.parts[0] for path in listing(chain.folder) - before}
    assert new <= {"ours", "theirs"}
    for name in new:
        shutil.rmtree(chain.folder / name)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return make_chain(tmp_path_factory.mktemp("forged"))


def test_the_forgeries_below_start_from_a_good_chain(shared: Chain) -> None:
    assert set(shared.restored("good")) == {"s/a.ibd", "b"}
    shutil.rmtree(shared.folder / "good")


@settings(max_examples=300, deadline=IN_TIME)
@given(CHANGES, st.booleans())
def test_a_forged_description_of_blocks(
    shared: Chain, changes: list[tuple[int, Any]], everything: bool
) -> None:
    contents = contents_in(shared)
    forged = (
        changed(contents, changes)
        if everything
        else {**contents, "blocks": changed(contents["blocks"], changes)}
    )
    with put_back(shared):
        forge(shared, forged)
        restore_twice(shared)


@settings(max_examples=100, deadline=IN_TIME)
@given(CHANGES)
def test_a_forged_full_backup_that_the_last_one_names(
    shared: Chain, changes: list[tuple[int, Any]]
) -> None:
    contents = contents_in(shared)
    with put_back(shared):
        digest = forge(shared, changed(contents_in(shared, 0), changes), 0)
        contents["blocks"]["ancestors"][0][2] = digest
        forge(shared, contents)
        restore_twice(shared)


@settings(max_examples=60, deadline=IN_TIME)
@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=20),
    st.sampled_from(["anywhere", "places"]),
)
def test_a_forged_stream_of_the_table(
    tmp_path_factory: pytest.TempPathFactory, bytes_: list[tuple[int, int]], where: str
) -> None:
    """Hashes, places beyond the chain, changes of any file and block."""
    put = TableBuilder._put

    def forging(builder: TableBuilder, content: bytes) -> int:
        copy = bytearray(content)
        for at, value in bytes_:
            last = len(copy) - 1
            copy[max(last - at % 5, 0) if where == "places" else at % len(copy)] = value
        return put(builder, bytes(copy))

    chain = make_chain(tmp_path_factory.mktemp("stream"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TableBuilder, "_put", forging)
        chain.add(clone(b"3", b"4"), encrypted=False)
    restore_twice(chain)


def test_bytes_over_zeros_that_the_table_does_not_have_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part of a block: the table says zeros, and no change."""
    chain = Chain(tmp_path)
    content = b"a" * BLOCK_BYTES + bytes(BLOCK_BYTES)
    chain.add(records_of({"a": content}), encrypted=False)
    records: list[Record] = [
        *list(records_of({"a": content}))[:-1],
        PhaseStarted(),
        Data(1, BLOCK_BYTES + 5, memoryview(b"x")),
        FileClosed(1, len(content)),
    ]
    monkeypatch.setattr(TableBuilder, "change", lambda *row: None)
    chain.add(records, encrypted=False)
    with pytest.raises(ArchiveError, match="block 1 of a does not match"):
        chain.restored()


PIECE, END = [1, 0, 4, 0], 100
GOOD: dict[str, Any] = {
    "block_bytes": BLOCK_BYTES,
    "key": "00" * 32,
    "ancestors": [],
    "pieces": [PIECE],
    "frames": [[3, 0, END]],
    "changes": [[36, 1]],
    "sources": [],
    "spaces": [],
    "differences": 0,
}
UUID = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize(
    "forged",
    [
        {"block_bytes": 4096},
        {"key": "00"},
        {"pieces": [[1, HUGE, 4, 0]]},
        {"pieces": [[1, 1, 4, 0]]},
        {"pieces": [[1, 0, 0, 0]]},
        {"pieces": [[1, 0, PIECE_BLOCKS + 1, 0]]},
        {"pieces": [[1, 0, 4, END]]},
        {"pieces": [[1, 0, 4, -1]]},
        {"pieces": [[1, 0, True, 0]]},
        {"pieces": [PIECE, PIECE]},
        {"pieces": [PIECE, [1, 0, 1, 60]]},
        {"pieces": [PIECE, [1, 4096, 1, 35]]},
        {"pieces": [[2, 0, 1, 60], PIECE]},
        {"pieces": [PIECE, [1, 4096, 1, 36]]},
        {"frames": [[3, 0, HUGE], [4, HUGE, HUGE], [5, 2 * HUGE, 1]]},
        {"frames": [[3, 1, END]]},
        {"frames": [[3, 0, 50], [3, 50, 50]]},
        {"frames": [[3, 0, 50], [4, 49, 50]]},
        {"frames": [[3, 0, 0], [4, 0, END]]},
        {"frames": []},
        {"changes": [[36, 0]]},
        {"changes": [[36, 1], [36, 1]]},
        {"changes": [[36, HUGE]]},
        {"ancestors": [[UUID, "../x", "d"]]},
        {"ancestors": [["x", "a", "d"]]},
        {"ancestors": [[UUID, "a", 7]]},
        {"ancestors": [[UUID, "a", "d"]] * MOST_BACKUPS},
        {"sources": [[1, [1]]]},
        {"sources": [[-1, []]]},
        {
            "ancestors": [[UUID, "a", "d"]],
            "sources": [[number, [1]] for number in range(MOST_SHARED + 1)],
        },
        {"spaces": [[1, "x"]]},
    ],
    ids=str,
)
def test_a_table_no_writer_writes_is_refused(forged: dict[str, Any]) -> None:
    assert BlockTable.from_json(GOOD).as_json() == GOOD
    with pytest.raises((ArchiveError, ValueError)):
        BlockTable.from_json({**GOOD, **forged})


def test_a_piece_anywhere_in_a_file_of_any_size_takes_no_memory() -> None:
    first = (1 << 49) - PIECE_BLOCKS
    with bounded(1 << 20):
        places = Places([PieceContent(first, bytes(16), bytes((1, ZERO)))], 1 << 49)
        assert places.numbers() == {1}
        assert list(places.runs_of(1, first - 3, first + 9)) == [(first, first + 1)]
        assert places.is_checked(first + 1)
        assert not places.is_checked(first)


def test_a_table_of_many_files_is_read_in_bounded_memory(tmp_path: Path) -> None:
    chain, files = Chain(tmp_path), 1500

    def hollow() -> Iterator[Record]:
        for number in range(1, files + 1):
            yield FileOpened(number, str(number))
            # The table of a file is as long as its last block is far.
            yield Data(number, (PIECE_BLOCKS - 1) * BLOCK_BYTES, memoryview(b"x"))
            yield FileClosed(number, (PIECE_BLOCKS - 1) * BLOCK_BYTES + 1)

    chain.add(hollow(), encrypted=False)
    table = StoredTable(open_backup(chain.store, chain.links[0]))
    with bounded(40 << 20):
        hashes = {table.find(number, PIECE_BLOCKS - 1) for number in range(1, files + 1)}
    assert len(hashes) == 1


def test_many_pieces_of_the_same_bytes_are_refused(shared: Chain) -> None:
    """Each would take memory, and the table would be read again and again."""
    contents = contents_in(shared)
    piece = contents["blocks"]["pieces"][0]
    forged = [[1, number * PIECE_BLOCKS, *piece[2:]] for number in range(1000)]
    with put_back(shared):
        forge(shared, {**contents, "blocks": {**contents["blocks"], "pieces": forged}})
        with pytest.raises(ArchiveError, match="twice"):
            StoredTable(open_backup(shared.store, shared.links[-1]))
