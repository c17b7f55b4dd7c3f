"""A server of each flavour, whose newest changes are read from its binlog and reversed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymysql.connections import Connection

from backups.binlog_archive.transactions.table_columns import LiveTables
from backups.binlogs.events.changes import Change, read_changes
from backups.binlogs.undo.reverse import Reversal, reverse, script
from backups.programs.private_server import PrivateServer, ServerOptions
from tests.live.mysql import PrivateMysql
from tests.live.server import new_mariadb


class Source:
    """A server, and what it wrote to its binlog since a moment."""

    def __init__(self, connect: Callable[[], Connection], folder: Path, mysql: bool) -> None:
        self.mysql, self.connect, self.folder = mysql, connect, folder
        self.connection = connect()
        self.ask("SET NAMES utf8mb4")
        self.ask("CREATE DATABASE shop")
        self._file, self._position = "", 0

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Any: SQL's values."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def begin(self) -> None:
        self._file, self._position = self._at()

    def changes(self) -> list[Change]:
        """Return what was written since ``begin``, in the same file."""
        file, end = self._at()
        assert file == self._file
        content = (self.folder / file).read_bytes()[self._position : end]
        return list(read_changes([content], self._position, checksummed=True))

    def undo(self) -> Reversal:
        return reverse(self.changes(), LiveTables(self.connection).find)

    def run_script(self, reversal: Reversal) -> None:
        """Run it as the client would, in a session of its own."""
        with self.connect() as connection, connection.cursor() as cursor:
            for line in script(reversal, ["made by a test"]):
                if not line.startswith("--"):
                    cursor.execute(line.removesuffix(";"))

    def _at(self) -> tuple[str, int]:
        name = "SHOW BINARY LOG STATUS" if self.mysql else "SHOW MASTER STATUS"
        file, position, *_ = self.ask(name)[0]
        return str(file), int(position)


@pytest.fixture(scope="module", params=["mysql", "mysql-full", "mariadb", "mariadb-full"])
def source(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Source]:
    """With little and with full metadata in the binlog."""
    folder = tmp_path_factory.mktemp("undo") / "data"
    flavour, _, full = request.param.partition("-")
    options = {"log-bin": "bin", "binlog-format": "ROW"}
    options |= {"binlog-row-metadata": "FULL"} if full else {}
    if flavour == "mysql":
        with PrivateMysql(folder, options) as server:
            yield Source(server.connect, folder, mysql=True)
    else:
        new_mariadb(folder)
        settings = ServerOptions(binlog=True, server_id=5, options=options)
        with PrivateServer(folder, settings) as private:
            yield Source(private.connect, folder, mysql=False)


def content(source: Source, name: str) -> list[tuple[Any, ...]]:
    """Return every value as the server prints it, texts and bytes by their digits."""
    columns = source.ask(
        "SELECT column_name, data_type FROM information_schema.columns "
        f"WHERE table_schema = 'shop' AND table_name = '{name}' ORDER BY ordinal_position"
    )
    plain = ("int", "double", "decimal", "date", "time", "year")
    words = [
        f"`{column}`" if any(word in kind for word in plain) else f"HEX(`{column}`)"
        for column, kind in columns
    ]
    return source.ask(f"SELECT {', '.join(words)} FROM shop.{name} ORDER BY 1")
