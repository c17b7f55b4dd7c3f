from __future__ import annotations

import os
from pathlib import Path

import pytest

from backups.engines.mariadb_backup.aria_marks import marked_tables

# Of MariaDB 10.11: one that was never damaged, in which only the field "changed" is written.
HEAD = bytes.fromhex("fefe09030c0001c000d7008700ef00010000010000000303 0000 01b9 01000000")


def put(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("changed", "marked"),
    [("01b9", False), ("01bb", True), ("0004", True), ("0009", False), ("0200", False)],
)
def test_the_mark_is_a_bit_of_the_index_files_head(
    tmp_path: Path, changed: str, marked: bool
) -> None:
    put(tmp_path, "shop/t.MAI", HEAD[:26] + bytes.fromhex(changed) + HEAD[28:])
    assert (marked_tables(tmp_path) == {"shop/t.MAI"}) == marked


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, HEAD[:27]])
def test_what_is_no_index_file_has_no_mark(tmp_path: Path, content: bytes) -> None:
    put(tmp_path, "shop/t.MAI", content)
    assert marked_tables(tmp_path) == frozenset()


def test_links_and_pipes_are_not_opened(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere", HEAD[:26] + b"\x01\xbb")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "t.MAI").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "shop" / "u.MAI")
    assert marked_tables(tmp_path) == frozenset()
