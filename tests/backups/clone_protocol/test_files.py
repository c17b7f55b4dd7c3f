"""Are files reported in an order in which no path is taken twice?"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.clone_protocol import FileAnnounced, FileChanged, FileFlag, ProtocolError, State
from backups.clone_protocol.deliveries import NOTHING
from backups.clone_protocol.descriptors import (
    DataDescriptor,
    Descriptor,
    FileDescriptor,
    StateDescriptor,
    StateFlag,
)
from backups.clone_protocol.files import ClonedFiles, redo_path
from backups.clone_protocol.records import CloneRecord


def started(state: State) -> StateDescriptor:
    return StateDescriptor(state, 0, 0, 0, 0, 0, StateFlag.START)


def file(state: State, index: int, path: str, flags: int = 0, size: int = 0) -> FileDescriptor:
    numbers = (state, size, 0, 0, 4096, FileFlag(flags), 100 + index, index, 1, 1)
    return FileDescriptor(*numbers, path.encode())


def reported(table: ClonedFiles, *descriptors: Descriptor) -> list[CloneRecord]:
    return [record for descriptor in descriptors for record in table.take((descriptor, NOTHING))]


def copied(*paths: str) -> ClonedFiles:
    """Return a table of files that have been announced, numbered from 0."""
    table = ClonedFiles()
    reported(table, started(State.FILE_COPY))
    reported(table, *(file(State.FILE_COPY, number, path) for number, path in enumerate(paths)))
    return table


def changed(table: ClonedFiles, *changes: FileDescriptor) -> list[tuple[int, str]]:
    """Return what is reported of changes after the file copy: number, and new path or fate."""
    records = reported(table, *changes, started(State.PAGE_COPY))
    found: list[tuple[int, str]] = []
    for record in records[:-1]:
        if isinstance(record, FileAnnounced):
            assert record.created_by_ddl
            assert not record.file.is_redo
            found.append((record.index, f"new {record.path}"))
        else:
            assert isinstance(record, FileChanged)
            found.append((record.index, "gone" if record.deleted else record.renamed_to))
    return found


RENAMED, DELETED = FileFlag.RENAMED, FileFlag.DELETED


def ddl(index: int, path: str, flags: int = 0) -> FileDescriptor:
    return file(State.PAGE_COPY, index, path, flags)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], []),
        ([ddl(0, "./d/c", RENAMED)], [(0, "d/c")]),
        ([ddl(0, "./d/a")], [(0, "")]),
        ([ddl(0, "", DELETED)], [(0, "gone")]),
        ([ddl(7, "", DELETED)], []),
        ([ddl(7, "./d/new")], [(7, "new d/new")]),
        # Whatever comes first is reported last where it needs the name of another.
        (
            [ddl(7, "./d/a"), ddl(0, "./d/b"), ddl(1, "", DELETED)],
            [(1, "gone"), (0, "d/b"), (7, "new d/a")],
        ),
        # Two that exchange their names: one steps aside.
        ([ddl(0, "./d/b"), ddl(1, "./d/a")], [(1, "d/b.#clone_ddl"), (0, "d/b"), (1, "d/a")]),
        # The last word counts.
        ([ddl(0, "./d/x"), ddl(0, "./d/y")], [(0, "d/y")]),
    ],
)
def test_changes_are_reported_in_an_order_that_works(
    changes: Sequence[FileDescriptor], expected: list[tuple[int, str]]
) -> None:
    assert changed(copied("./d/a", "./d/b"), *changes) == expected


@given(st.permutations(range(6)), st.permutations(range(6)))
def test_names_may_go_round_in_any_way(names: list[int], order: list[int]) -> None:
    table = copied(*(f"./d/{number}" for number in range(6)))
    taken = {number: f"d/{number}" for number in range(6)}
    changes = (ddl(number, f"./d/{names[number]}", RENAMED) for number in order)
    for number, path in changed(table, *changes):
        if path:
            assert path not in taken.values()
            taken[number] = path
    assert taken == {number: f"d/{names[number]}" for number in range(6)}


@pytest.mark.parametrize(
    "changes",
    [
        [ddl(0, "./d/b", RENAMED)],
        [ddl(7, "./d/b")],
        [ddl(0, "./d/x", RENAMED), ddl(1, "./d/x", RENAMED)],
        [ddl(0, "./d/../x", RENAMED)],
    ],
)
def test_two_files_never_share_a_path(changes: Sequence[FileDescriptor]) -> None:
    with pytest.raises(ProtocolError):
        changed(copied("./d/a", "./d/b"), *changes)


def test_bytes_of_a_deleted_file_are_dropped() -> None:
    table = copied("./d/a")
    data = DataDescriptor(State.FILE_COPY, 0, 1, 1, 0, 4, 0, 0)
    assert len(list(table.take((data, memoryview(b"abcd"))))) == 1
    gone = reported(table, file(State.FILE_COPY, 0, "./d/a", DELETED))
    assert [record.deleted for record in gone if isinstance(record, FileChanged)] == [True]
    assert list(table.take((data, memoryview(b"abcd")))) == []


def test_a_deleted_file_does_not_come_back() -> None:
    with pytest.raises(ProtocolError, match="after it was deleted"):
        reported(
            copied("./d/a"),
            file(State.FILE_COPY, 0, "./d/a", DELETED),
            file(State.FILE_COPY, 0, "./d/a"),
        )


def test_redo_files_have_numbers_and_names_of_their_own() -> None:
    table = copied("ibdata1")
    redo = file(State.REDO_COPY, 0, "", size=9)
    started_states = (started(State.PAGE_COPY), started(State.REDO_COPY))
    announced = reported(table, *started_states, redo, redo)[2:]
    assert [(r.file, r.path) for r in announced if isinstance(r, FileAnnounced)] == [
        ((True, 0), "#innodb_redo/#ib_redo0")
    ]
    grown = reported(table, file(State.REDO_COPY, 0, "", size=10))
    assert [(r.file, r.size) for r in grown if isinstance(r, FileChanged)] == [((True, 0), 10)]


@pytest.mark.parametrize(
    ("sent", "path"),
    [("ibdata1", "ibdata1"), ("./d/t.ibd", "d/t.ibd"), ("/mnt/d/t.ibd", "/mnt/d/t.ibd")],
)
def test_a_path_is_relative_unless_it_leads_elsewhere(sent: str, path: str) -> None:
    table = ClonedFiles()
    records = reported(table, started(State.FILE_COPY), file(State.FILE_COPY, 0, sent))
    assert [r.path for r in records if isinstance(r, FileAnnounced)] == [path]


@pytest.mark.parametrize("sent", ["..", "./", ".", "/", "/..", "d//t", "d/./t", "./../t", "d/.."])
def test_a_path_that_leads_out_is_refused(sent: str) -> None:
    with pytest.raises(ProtocolError, match="invalid file name"):
        copied(sent)


@pytest.mark.parametrize(
    ("version", "prefix"),
    [
        ("8.0.29", "ib_logfile"),
        ("8.0.30", "#innodb_redo/#ib_redo"),
        ("9.7.4-2", "#innodb_redo/#ib_redo"),
    ],
)
def test_redo_files_are_named_as_the_server_wants_them(version: str, prefix: str) -> None:
    assert redo_path(version) == prefix
