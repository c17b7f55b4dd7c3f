"""Reversals find their rows exactly, and are committed whole or not at all."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from backups.binlogs.undo.reverse import script
from tests.live.undoing import Source, content, source

__all__ = ["source"]

pytestmark = pytest.mark.live


def test_a_text_that_is_only_equal_by_its_collation_stays(source: Source) -> None:
    source.ask(
        "CREATE TABLE shop.ci (t VARCHAR(20), c CHAR(9), u VARCHAR(9) CHARACTER SET utf16, "
        "x TEXT) CHARSET utf8mb4 COLLATE utf8mb4_general_ci"
    )
    source.ask("INSERT INTO shop.ci VALUES ('a', 'A', 'é', 'x'), ('a ', 'a', 'e', 'X')")
    before = content(source, "ci")
    source.begin()
    source.ask("INSERT INTO shop.ci VALUES ('A', 'a', 'E', 'x')")
    source.ask("UPDATE shop.ci SET x = 'Y' WHERE u = _utf8mb4'é' COLLATE utf8mb4_bin LIMIT 1")
    undone = source.undo()
    source.run_script(undone)
    assert sorted(content(source, "ci")) == sorted(before)


def test_a_column_that_updates_set_by_themselves_is_as_before(source: Source) -> None:
    source.ask(
        "CREATE TABLE shop.tm (id INT PRIMARY KEY, n INT, at TIMESTAMP(6) NOT NULL "
        "DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6))"
    )
    source.ask("INSERT INTO shop.tm VALUES (1, 1, '2020-01-01 00:00:00')")
    before = content(source, "tm")
    source.begin()
    source.ask("UPDATE shop.tm SET n = 2, at = at")
    source.run_script(source.undo())
    assert content(source, "tm") == before


def test_a_client_that_goes_on_after_an_error_commits_no_part(
    source: Source, tmp_path: Path
) -> None:
    source.ask("CREATE TABLE shop.fo (id INT PRIMARY KEY, n INT)")
    source.ask("INSERT INTO shop.fo VALUES (1, 1), (2, 2)")
    source.begin()
    source.ask("DELETE FROM shop.fo")
    undone = source.undo()
    source.ask("INSERT INTO shop.fo VALUES (2, 9)")
    file = tmp_path / "undo.sql"
    file.write_text("\n".join(script(undone, [])), encoding="utf-8")
    argv = ["mariadb", "--no-defaults", f"--socket={source.connection.unix_socket}"]
    with file.open("rb") as statements:
        done = subprocess.run(
            [*argv, "--user=root", "--force"], stdin=statements, capture_output=True
        )
    assert b"more than 1 row" in done.stderr
    assert content(source, "fo") == [(2, 9)]
