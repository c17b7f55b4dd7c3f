"""Files of statements: where they are, and that half of one is never taken for a whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.engines.clone.saved_files import framed, path_of, read_statements
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
    file.write_bytes(b"".join(framed(each.encode()) for each in STATEMENTS))
    assert list(read_statements(file)) == STATEMENTS


def test_a_file_cut_anywhere_else_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.sql"
    whole = framed(STATEMENTS[1].encode())
    for length in range(1, len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(EngineError, match="not a complete file of statements"):
            list(read_statements(file))
