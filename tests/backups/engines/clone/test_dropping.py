"""What is found to be left out of a restored partial clone. The dropping itself: tests/live."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.engines.clone.dropping import find_dangling, read_space_ids
from backups.engines.clone.restored import read_donor_choice
from backups.exceptions import EngineError
from backups.table_names.names import TableName


def test_a_view_of_a_view_dangles_too() -> None:
    usage = [
        ("s", "over", "s", "first"),
        ("s", "first", "s", "gone"),
        ("s", "first", "s", "there"),
        ("s", "sound", "s", "there"),
    ]
    found = find_dangling(usage, [TableName("s", "gone")])
    assert found == {TableName("s", "first"), TableName("s", "over")}


def test_tablespaces_are_known_by_their_files(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    for name, number in (("a.ibd", 7), ("shop/b.ibd", 1 << 31)):
        (tmp_path / name).write_bytes(bytes(34) + number.to_bytes(4, "big"))
    (tmp_path / "ibdata1").write_bytes(bytes(64))
    assert read_space_ids(tmp_path) == {7, 1 << 31}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.ibd").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="symbolic links"):
        read_space_ids(tmp_path)


@pytest.mark.parametrize("tables", [None, {}, {"include": [], "exclude": []}])
def test_a_whole_backup_drops_nothing(tables: object) -> None:
    assert read_donor_choice({"tables": tables}) is None
    assert read_donor_choice({}) is None


@pytest.mark.parametrize("tables", [["shop.*"], "shop.*", {"include": "shop.*"}, {"include": [7]}])
def test_a_forged_choice_is_refused(tables: object) -> None:
    with pytest.raises(EngineError, match="mooring-donor"):
        read_donor_choice({"tables": tables})
