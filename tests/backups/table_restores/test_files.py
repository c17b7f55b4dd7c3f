"""Files of tables on their way from one server's folder to another's."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.table_names.names import TableName
from backups.table_restores.files import copy_file, files_of, name_as, remove_files


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("shop/orders.ibd", "mooring_1.ibd"),
        ("shop/orders.cfg", "mooring_1.cfg"),
        ("shop/orders#p#p0.ibd", "mooring_1#p#p0.ibd"),
        ("shop/orders#P#p0#SP#p0sp1.cfp", "mooring_1#P#p0#SP#p0sp1.cfp"),
    ],
)
def test_a_file_gets_the_name_of_another_table(path: str, name: str) -> None:
    assert name_as(path, "mooring_1") == name


def test_files_of_a_table_are_found(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    for name in ("orders.ibd", "orders.cfg", "orders#p#p0.ibd", "orders.frm", "orders2.ibd"):
        (tmp_path / "shop" / name).touch()
    names = files_of(tmp_path, TableName("shop", "orders"))
    assert names == ["shop/orders#p#p0.ibd", "shop/orders.cfg", "shop/orders.ibd"]


def test_a_copy_replaces_nothing_and_follows_no_link(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    for folder in (source / "shop", target / "shop"):
        folder.mkdir(parents=True)
    (source / "shop" / "t.ibd").write_bytes(b"rows")
    assert copy_file(source, "shop/t.ibd", target, "shop/m.ibd", check=lambda: None) == 4
    assert (target / "shop" / "m.ibd").read_bytes() == b"rows"
    with pytest.raises(FileExistsError):
        copy_file(source, "shop/t.ibd", target, "shop/m.ibd", check=lambda: None)
    (target / "other").symlink_to(source / "shop")
    with pytest.raises(OSError, match="other"):
        copy_file(source, "shop/t.ibd", target, "other/m.ibd", check=lambda: None)


def test_files_of_unfinished_tables_are_removed_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    left = ("mooring_x_1.ibd", "mooring_x_1.cfg", "mooring_x_1#p#p0.ibd", "mooring_x_1.ibd.part")
    others = ("mooring_x_10.ibd", "orders.ibd", "mooring_x_1.frm", "mooring_x_1.part")
    for name in (*left, *others):
        (tmp_path / "shop" / name).touch()
    assert remove_files(tmp_path, "shop", "mooring_x_1") == len(left)
    assert {path.name for path in (tmp_path / "shop").iterdir()} == set(others)
