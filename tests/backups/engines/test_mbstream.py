"""Streams of mariadb-backup, taken apart."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backups.archive.records import Data, PhaseStarted
from backups.engines.mariadb_backup.chunks import PIECE_BYTES, ChunkReader, Piece, StreamCut
from backups.exceptions import EngineError
from tests.backups.engines.mbstreams import (
    end,
    files_of,
    header,
    piece,
    records_of,
    remove,
    rename,
    seek,
    whole,
)

A = whole("d/a", b"one")
PARTITIONS = whole("d/t#P#p0.MYD", b"0") + whole("d/t#P#p1.MYD", b"1")


@pytest.mark.parametrize(
    ("stream", "files"),
    [
        (A, {"d/a": b"one"}),
        (end("a"), {"a": b""}),
        (piece("a", b"") + end("a"), {"a": b""}),
        (piece("a", b"on") + piece("a", b"e", 2) + end("a"), {"a": b"one"}),
        (
            piece("a", b"o") + piece("b", b"t") + piece("a", b"ne", 1) + end("a") + end("b"),
            {"a": b"one", "b": b"t"},
        ),
        (A + whole("d/a", b"XY", flags=2), {"d/a": b"XY"}),
        (piece("a", b"X", 0, 2) + piece("a", b"Y", 1, 2) + end("a"), {"a": b"XY"}),
        (
            piece("a", b"one") + seek("a", 5) + piece("a", b"two", 5) + end("a"),
            {"a": b"one\0\0two"},
        ),
        (piece("a", b"oneone") + seek("a", 1) + piece("a", b"XX", 1) + end("a"), {"a": b"oXXone"}),
        (seek("a", 1) + piece("a", b"XX", 1) + end("a"), {"a": b"\0XX"}),
        (A + rename("d/a", "e/b"), {"e/b": b"one"}),
        (A + whole("b", b"two") + rename("d/a", "b"), {"b": b"one"}),
        (A + rename("d/a", "d/a"), {"d/a": b"one"}),
        (A + rename("x", "y"), {"d/a": b"one"}),
        (A + rename("d/a", "b") + whole("d/a", b"new"), {"b": b"one", "d/a": b"new"}),
        (A + remove("d/a") + whole("d/a", b"new"), {"d/a": b"new"}),
        (A + remove("x"), {"d/a": b"one"}),
        (A + whole("da", b"") + remove("d"), {"da": b""}),
        (A + whole("d/ab", b"") + remove("d/a"), {"d/ab": b""}),
        (PARTITIONS + A + remove("d/t#P#*"), {"d/a": b"one"}),
        (piece("q", b"?", 7, flags=1, kind=b"z") + A, {"d/a": b"one"}),
    ],
)
def test_a_stream_becomes_its_files(stream: bytes, files: dict[str, bytes]) -> None:
    assert files_of(records_of(stream)) == files


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (b"", "is empty"),
        (A[:-1], "1 bytes short"),
        (A + b"XBST", "10 bytes short"),
        (piece("a", b"one"), "ends inside a"),
        (b"Y" + A[1:], "no chunk begins with"),
        (header(b"z", "a") + A, "unknown type b'z'"),
        (piece("a", b"one", flags=4), "unknown flags 0x4"),
        (A.replace(b"one", b"two"), "checksum of 3 bytes of d/a is wrong"),
        (piece("q", b"?", flags=1, kind=b"z").replace(b"?", b"!"), "checksum"),
        (piece("a", b"one", 5), "byte 5 of a where byte 0 was due"),
        (piece("a", b"one") + piece("a", b"one"), "byte 0 of a where byte 3 was due"),
        (piece("a", b"one") + seek("a", 9) + piece("a", b"x", 8), "byte 8 of a where byte 9"),
        (piece("a", b"one", 1 << 63), "more than a file can have"),
        (seek("a", 1 << 63), "more than a file can have"),
        (A + A, "sent d/a twice"),
        (A + end("d/a"), "sent d/a twice"),
        (piece("a", b"1") + rename("a", "b"), "renamed or removed a while"),
        (A + piece("b", b"1") + rename("d/a", "b"), "renamed or removed b while"),
        (piece("d/a", b"1") + remove("d"), "renamed or removed d/a while"),
        (end("/etc/passwd"), "leads out"),
        (end("../a"), "leads out"),
        (end("d/../a"), "leads out"),
        (end("d//a"), "leads out"),
        (end("d/."), "leads out"),
        (end("a\0b"), "leads out"),
        (A + rename("d/a", "/b"), "leads out"),
        (end(""), "path is 0 bytes long"),
        (end("a" * 513), "path is 513 bytes long"),
        (header(b"E", "aa").replace(b"aa", b"\xff\xff"), "is not text"),
    ],
)
def test_a_stream_that_cannot_be_whole_is_refused(stream: bytes, why: str) -> None:
    with pytest.raises(EngineError, match=why):
        records_of(stream)


def test_going_back_over_bytes_starts_a_phase() -> None:
    stream = piece("a", b"oneone") + seek("a", 5) + piece("a", b"XX", 5) + end("a")
    assert [type(record) for record in records_of(stream)][1:4] == [Data, PhaseStarted, Data]


def test_going_forward_does_not() -> None:
    stream = piece("a", b"one") + seek("a", 3) + piece("a", b"XX", 3) + end("a")
    assert PhaseStarted() not in records_of(stream)


def test_a_long_payload_comes_in_pieces_of_its_own_memory() -> None:
    content = bytes(range(256)) * (10 << 12)
    pieces = [record for record in records_of(whole("a", content)) if isinstance(record, Data)]
    assert [len(each.payload) for each in pieces] == [PIECE_BYTES, PIECE_BYTES, PIECE_BYTES // 2]
    assert b"".join(each.payload for each in pieces) == content


def test_memory_is_used_again_only_when_nobody_sees_it() -> None:
    content = [bytes([number]) * PIECE_BYTES for number in range(4)]
    stream = b"".join(piece("a", each, n * PIECE_BYTES) for n, each in enumerate(content))
    chunks = ChunkReader(io.BytesIO(stream)).chunks()
    first = next(chunks)
    assert isinstance(first, Piece)
    kept, home = first.payload[5:9], first.payload.obj
    del first
    second = next(chunks)
    assert isinstance(second, Piece)
    assert second.payload.obj is not home
    assert bytes(kept) == bytes(4)
    kept.release()
    third = next(chunks)
    assert isinstance(third, Piece)
    assert third.payload.obj is home
    assert second.payload == content[1]


def test_a_source_that_gives_little_at_a_time_is_read_to_its_end() -> None:
    class Slow(io.BytesIO):
        def readinto(self, target: memoryview) -> int:  # type: ignore[override]
            return super().readinto(target[:1])

    pieces = [chunk for chunk in ChunkReader(Slow(A)).chunks() if isinstance(chunk, Piece)]
    assert [bytes(each.payload) for each in pieces] == [b"one"]


names = st.text("abc/#", min_size=1, max_size=6).filter(
    lambda name: all(part not in {"", ".", ".."} for part in name.split("/"))
)
trees = st.dictionaries(names, st.lists(st.binary(max_size=40), max_size=3), min_size=1, max_size=4)


def build(tree: dict[str, list[bytes]]) -> bytes:
    """Send the files of a tree in turns, as several threads of the tool do."""
    stream, offsets = b"", dict.fromkeys(tree, 0)
    for turn in range(4):
        for path, parts in tree.items():
            if turn < len(parts):
                stream += piece(path, parts[turn], offsets[path])
                offsets[path] += len(parts[turn])
            elif turn == len(parts):
                stream += end(path)
    return stream


@given(trees)
def test_any_tree_comes_out_as_it_went_in(tree: dict[str, list[bytes]]) -> None:
    assert files_of(records_of(build(tree))) == {p: b"".join(parts) for p, parts in tree.items()}


@given(trees, st.data())
def test_any_cut_inside_a_file_is_found(tree: dict[str, list[bytes]], data: st.DataObject) -> None:
    stream = build(tree)
    cut = data.draw(st.integers(0, len(stream) - 1))
    try:
        found = files_of(records_of(stream[:cut]))
    except StreamCut:
        return
    # Between two files a stream may end: only the tool's own end marker tells it then.
    assert found.items() <= {p: b"".join(parts) for p, parts in tree.items()}.items()


@given(trees, st.data())
def test_any_flipped_bit_is_found_or_harmless(
    tree: dict[str, list[bytes]], data: st.DataObject
) -> None:
    # The name of an empty file is all there is of it, and nothing protects it.
    tree = {path: [b"x", *parts] for path, parts in tree.items()}
    stream = bytearray(build(tree))
    bit = data.draw(st.integers(0, len(stream) * 8 - 1))
    stream[bit // 8] ^= 1 << bit % 8
    try:
        found = files_of(records_of(bytes(stream)))
    except EngineError:
        return
    assert found == {p: b"".join(parts) for p, parts in tree.items()}


@given(st.dictionaries(st.text("ab", min_size=1, max_size=3), st.binary(max_size=99), min_size=1))
def test_what_the_real_tool_packs_is_read(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, bytes]
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    for path, content in tree.items():
        (folder / path).write_bytes(content)
    packed = subprocess.run(
        ["mbstream", "-c", *tree], cwd=folder, capture_output=True, check=True
    ).stdout
    assume(packed)
    assert files_of(records_of(packed)) == tree


def test_what_we_read_is_what_the_real_tool_unpacks(tmp_path: Path) -> None:
    stream = (
        piece("a", b"oneone")
        + seek("a", 1)
        + piece("a", b"XX", 1)
        + end("a")
        + whole("b", b"old")
        + whole("b", b"new", flags=2)
        + whole("c", b"moved")
        + rename("c", "d")
        + whole("e/f", b"dropped")
        + remove("e")
        + end("empty")
    )
    subprocess.run(["mbstream", "-x", "-C", str(tmp_path)], input=stream, check=True)
    unpacked = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert unpacked == files_of(records_of(stream))
