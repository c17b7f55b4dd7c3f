"""Which options does a server need for restored files?"""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.engines.foreign_files import remove_foreign
from backups.engines.mariadb_backup.restored import server_options
from backups.exceptions import EngineError


def test_it_returns_what_shapes_the_files_and_no_path(tmp_path: Path) -> None:
    (tmp_path / "backup-my.cnf").write_text(
        "# made by the tool\n[mysqld]\ninnodb_page_size=8192\n"
        "innodb_data_file_path=ibdata1:12M;ibdata2:12M:autoextend\n"
        "innodb_undo_directory=/data/undo\ninnodb_undo_tablespaces=2\n"
    )

    assert server_options(tmp_path) == {
        "innodb-page-size": "8192",
        "innodb-data-file-path": "ibdata1:12M;ibdata2:12M:autoextend",
        "innodb-undo-tablespaces": "2",
    }


def test_a_copy_without_the_file_is_not_started_by_guess(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"backup-my\.cnf cannot be read"):
        server_options(tmp_path)


def test_links_that_lead_out_go_whatever_the_copy_is_called_yet(tmp_path: Path) -> None:
    schema = tmp_path / "shop"
    schema.mkdir()
    for name in ("far.isl", "far.ibd", "late.isl", "late.new", "lost.isl", "near.ibd"):
        (schema / name).touch()

    assert sorted(remove_foreign(tmp_path)) == ["shop/far.isl", "shop/late.isl", "shop/lost.isl"]
    assert sorted(p.name for p in schema.iterdir()) == ["far.ibd", "late.new", "near.ibd"]
