"""What the prepare of a part makes for lack of a file is removed, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.engines.mariadb_backup.remade import MOST_SCHEMAS, RemadeFiles

LOG = "2026-11-30 23:48:21 0 [ERROR] InnoDB: File {} was not found\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    for name in ("a.ibd", "a.frm", "late.new", "late.frm", "lone.ibd", "FTS_1_BEING.ibd"):
        (tmp_path / "shop" / name).write_bytes(b"")
    return tmp_path


def test_files_without_a_definition_that_were_not_there_go(folder: Path) -> None:
    remade = RemadeFiles(folder)
    assert remade.make_room(LOG.format("other/s.ibd"))
    for name in ("shop/log_o.ibd", "shop/p#P#p0.ibd", "other/s.ibd"):
        (folder / name).write_bytes(b"")
    (folder / "shop/p.frm").write_bytes(b"")
    (folder / "shop/late.new").rename(folder / "shop/late.ibd")
    assert remade.remove() == ["other/s.ibd", "shop/log_o.ibd"]
    left = sorted(path.name for path in (folder / "shop").glob("*.ibd"))
    assert left == ["FTS_1_BEING.ibd", "a.ibd", "late.ibd", "lone.ibd", "p#P#p0.ibd"]
    assert not (folder / "other").exists()


@pytest.mark.parametrize(
    "name", ["shop/b.ibd", "../b.ibd", "ibdata1", "../../x/b.ibd", "a b/c.ibd"]
)
def test_there_is_room_or_no_folder_could_make_it(folder: Path, name: str) -> None:
    before = sorted(folder.parent.rglob("*"))
    assert not RemadeFiles(folder).make_room(LOG.format(name))
    assert sorted(folder.parent.rglob("*")) == before


def test_a_link_is_no_room(folder: Path) -> None:
    (folder / "other").symlink_to(folder.parent / "elsewhere")
    assert not RemadeFiles(folder).make_room(LOG.format("other/s.ibd"))


def test_the_log_of_a_hostile_copy_does_not_go_on_for_ever(folder: Path) -> None:
    remade = RemadeFiles(folder)
    lines = (LOG.format(f"s{number}/t.ibd") for number in range(MOST_SCHEMAS + 5))
    assert sum(remade.make_room(line) for line in lines) == MOST_SCHEMAS
