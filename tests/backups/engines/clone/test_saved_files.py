"""Files of statements: where they are, and that half of one is never taken for a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.engines.clone.saved_files import (
    FOLDER,
    PREAMBLE,
    SavedTable,
    allowed,
    framed,
    parse_saved_tables,
    path_of,
    read_statements,
)
from backups.exceptions import EngineError
from backups.repositories.layout import is_safe_path

STATEMENTS = ["CREATE TABLE `a;\n-- b` (`é` INT)", "INSERT INTO a VALUES ('x;\n')"]


@pytest.mark.parametrize(
    ("schema", "table", "path"),
    [
        ("shop", "visits", "mooring-foreign/shop/visits.sql"),
        ("größe", "名前", "mooring-foreign/größe/名前.sql"),
        ("..", "/etc", "mooring-foreign/@002e@002e/@002fetc.sql"),
        ("a@b", "a b", "mooring-foreign/a@0040b/a@0020b.sql"),
        ("s", "/" * 64, "mooring-foreign/s/@long-3.sql"),
    ],
)
def test_where_a_table_is(schema: str, table: str, path: str) -> None:
    assert path_of(schema, table, 3) == path
    assert is_safe_path(path)


def test_statements_come_back_whatever_is_in_them(tmp_path: Path) -> None:
    file = tmp_path / "a.sql"
    file.write_bytes(b"".join(framed(statement.encode()) for statement in STATEMENTS))
    assert list(read_statements(tmp_path, "a.sql")) == STATEMENTS


def test_a_file_cut_anywhere_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.sql"
    whole = framed(STATEMENTS[1].encode())
    for length in range(1, len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(EngineError, match="not a complete file of statements"):
            list(read_statements(tmp_path, "a.sql"))


TABLE = {
    "schema": "shop",
    "name": "a",
    "engine": "MyISAM",
    "path": f"{FOLDER}/shop/a.sql",
    "rows": 1,
}


@pytest.mark.parametrize(
    "changed",
    [
        {"path": "/etc/passwd"},
        {"path": "../../etc/passwd"},
        {"path": "mooring-foreign/../ibdata1"},
        {"path": "ibdata1"},
        {"path": None},
        {"schema": "MySQL"},
        {"name": ["a"]},
        {"rows": 1e300},
        {"rows": -1},
        {"rows": True},
    ],
)
def test_a_saved_table_that_no_backup_has_is_refused(changed: dict[str, object]) -> None:
    assert parse_saved_tables([TABLE]) == [SavedTable(**TABLE)]  # type: ignore[arg-type]
    with pytest.raises(EngineError):
        parse_saved_tables([TABLE | changed])


def test_a_file_of_statements_is_not_reached_by_a_link(tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    (folder / FOLDER).mkdir(parents=True)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "a.sql").write_bytes(framed(b"SELECT 1"))
    (folder / FOLDER / "shop").symlink_to(tmp_path / "shop")
    with pytest.raises(OSError, match="mooring-foreign"):
        list(read_statements(folder, f"{FOLDER}/shop/a.sql"))


def test_what_makes_and_fills_the_table_is_allowed() -> None:
    table = parse_saved_tables([TABLE])[0]
    made = ["CREATE TABLE `a` (\n `i` INT)", "INSERT INTO `shop`.`a` (`i`) VALUES\n(1)"]
    rest = ["CREATE DATABASE IF NOT EXISTS `shop`", "DROP TABLE IF EXISTS `shop`.`a`"]
    assert list(allowed([*PREAMBLE, *rest, "USE `shop`", *made], table)) == [
        *PREAMBLE,
        "USE `shop`",
        *made,
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "SET GLOBAL general_log_file = '/tmp/x'",
        # A server without grant tables lets everybody do this.
        "INSTALL COMPONENT 'file://component_validate_password'",
        "USE `mysql`",
        "INSERT INTO `shop`.`a` (`i`) VALUES (1)",
        "CREATE TABLE `b` (`i` INT)",
        "CREATE TABLE `a` SELECT 1",
        "/* CREATE TABLE `a` ( */ SET GLOBAL read_only = 1",
        "DROP TABLE IF EXISTS `shop`.`b`",
    ],
)
def test_any_other_statement_is_refused(statement: str) -> None:
    with pytest.raises(EngineError, match="a statement that no backup writes"):
        list(allowed([statement], parse_saved_tables([TABLE])[0]))
