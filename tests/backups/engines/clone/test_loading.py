"""What does it mean when a saved table cannot be loaded into a restored server?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pymysql
import pytest

from backups.engines.clone.loading import load_tables
from backups.engines.clone.saved_files import FOLDER, SavedTable, framed
from backups.exceptions import EngineError, MooringError, StageFailed
from backups.programs.private_server import PrivateServer

TABLE = SavedTable("shop", "notes", "MyISAM", f"{FOLDER}/notes.sql", 1)


class Cursor:
    """Knows its engines, and takes nothing."""

    asked = ""
    warning_count = 0

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def execute(self, sql: str, parameters: object = None) -> None:
        self.asked = sql
        if sql.startswith("CREATE TABLE"):
            raise pymysql.OperationalError(1114, "The table 'notes' is full")

    def fetchone(self) -> tuple[int]:
        return (0,)

    def fetchall(self) -> list[dict[str, str]]:
        return [{"name": "MyISAM"}] if "information_schema.ENGINES" in self.asked else []


class Connection(Cursor):
    def cursor(self, kind: object = None) -> Cursor:
        return Cursor()


class Full(PrivateServer):
    """A server that would take the definition of a table, and none of its rows."""

    def connect(self, **words: object) -> Any:
        return Connection()


class Watch:
    def check(self) -> None:
        return None

    def alive(self) -> None:
        return None

    def log(self, source: str, text: str, level: str = "") -> None:
        return None


@pytest.mark.parametrize(
    ("log", "raised"),
    [
        ("[ERROR] Error writing file './shop/notes.MYD' (errno: 28)", StageFailed),
        ("[Note] ready for connections", EngineError),
    ],
)
def test_only_a_disk_with_room_makes_it_the_tables_fault(
    tmp_path: Path, log: str, raised: type[MooringError]
) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / TABLE.path).write_bytes(framed(b"CREATE TABLE `notes` (`i` INT)"))
    server = Full(tmp_path, run_folder=tmp_path / "run")
    server.run_folder.mkdir()
    server.log_file.write_text(log)
    with pytest.raises(raised) as failed:
        load_tables(server, tmp_path, [TABLE], Watch())  # type: ignore[arg-type]
    assert type(failed.value) is raised
