"""Is an engine that contradicts itself refused?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from backups.archive.records import (
    Data,
    FileClosed,
    FileOpened,
    FileRemoved,
    FileRenamed,
    Record,
)
from backups.exceptions import ArchiveError
from tests.backups.archive.stores import make_store, make_writer, write_records

A, B = FileOpened(1, "a"), FileOpened(2, "b")
BYTES = Data(1, 0, memoryview(b"x"))
END_A, END_B = FileClosed(1, 1), FileClosed(2, 0)


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ([BYTES], "sent bytes of file 1, which is not open"),
        ([A, END_A, BYTES], "sent bytes of file 1, which is not open"),
        ([END_A], "closed file 1, which is not open"),
        ([A, END_A, END_A], "closed file 1, which is not open"),
        ([A, A], "opened file 1 twice"),
        ([A, END_A, FileRemoved(1), A], "opened file 1 twice"),
        ([A, FileOpened(2, "a")], "path 'a' twice"),
        ([FileOpened(1, "../a")], "leads out of"),
        ([FileOpened(1, "/a")], "leads out of"),
        ([A], "never finished a \\(1 files in all\\)"),
        ([B, A, BYTES], "never finished a \\(2 files in all\\)"),
        ([FileRenamed(1, "b")], "renamed file 1, which it never opened"),
        ([A, FileRenamed(1, "b")], "never finished b \\(1 files in all\\)"),
        ([A, END_A, FileRemoved(1), FileRenamed(1, "b")], "renamed file 1, which it never"),
        ([A, B, FileRenamed(1, "b")], "path 'b' twice"),
        ([A, END_A, B, END_B, FileRenamed(1, "b")], "path 'b' twice"),
        ([A, END_A, FileRenamed(1, "../b")], "leads out of"),
        ([FileRemoved(1)], "removed file 1, which it never opened"),
        ([A, END_A, FileRemoved(1), FileRemoved(1)], "removed file 1, which it never opened"),
        ([A, FileRemoved(1), BYTES], "sent bytes of file 1, which is not open"),
        ([A, FileRemoved(1), END_A], "closed file 1, which is not open"),
    ],
)
def test_a_contradiction_is_refused(
    tmp_path: Path, records: Sequence[Record], problem: str
) -> None:
    store = make_store(tmp_path)
    with pytest.raises(ArchiveError, match=problem):
        write_records(make_writer([store]), records)
    assert list(store.list("instances")) == []


@pytest.mark.parametrize(
    ("records", "paths"),
    [
        ([A, END_A, FileRenamed(1, "a")], ["a"]),
        ([A, END_A, FileRenamed(1, "b"), FileOpened(2, "a"), END_B], ["b", "a"]),
        ([A, END_A, FileRemoved(1), FileOpened(2, "a"), END_B], ["a"]),
        # A clone's files stay open until the end, whatever happens to them on the way.
        ([A, BYTES, FileRenamed(1, "b"), FileOpened(2, "a"), END_B, END_A], ["b", "a"]),
        ([A, BYTES, FileRemoved(1), FileOpened(2, "a"), END_B], ["a"]),
    ],
)
def test_a_path_is_free_again_when_its_file_has_gone(
    tmp_path: Path, records: Sequence[Record], paths: list[str]
) -> None:
    contents = write_records(make_writer([make_store(tmp_path)]), records)
    assert [file.path for file in contents.files] == paths
