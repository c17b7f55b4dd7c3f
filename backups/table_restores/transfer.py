"""How does one table get from the private server into an instance, under a temporary name?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.archive.meter import Meter
from backups.exceptions import StageFailed
from backups.programs.private_server import PrivateServer
from backups.programs.server_session import is_lost
from backups.table_names.names import TableName, quoted
from backups.table_restores.definitions import created_as
from backups.table_restores.files import copy_file, flushed, name_as, remove_files
from backups.table_restores.rows import PREAMBLE, create_statement, insert_statements
from backups.table_restores.target import NewTable, TargetServer, run
from backups.table_restores.ways import Way


@dataclass(frozen=True, slots=True)
class Transfer:
    """What is needed for every table of one job."""

    server: PrivateServer
    target: TargetServer
    connection: Connection[DictCursor]
    meter: Meter
    check: Callable[[], None]
    log: Callable[[str], None]

    def begin(self) -> None:
        """Make the session independent of the instance's settings."""
        for statement in PREAMBLE:
            run(self.connection, statement)

    def transfer(self, new: NewTable, way: Way) -> str:
        """Make the table under its temporary name; return in which way."""
        try:
            if way.by_files:
                try:
                    self._by_files(new)
                    return way.words
                except pymysql.Error as exc:
                    if is_lost(exc):
                        raise
                    self.log(f"{new.table}: its files were not imported: {_text(exc)}")
                    self.undo(new)
                    way = Way(by_files=False, reason="its files were not imported, see the log")
            self._by_rows(new)
        except pymysql.Error as exc:
            raise StageFailed(
                f"{new.table} could not be restored into {self.target.instance.name}: {_text(exc)}",
                hint="Nothing was changed under its own name.",
            ) from None
        return way.words

    def undo(self, new: NewTable) -> None:
        """Drop what was made of a table."""
        run(self.connection, f"DROP TABLE IF EXISTS {new.temporary.quoted}")
        if self.target.folder:
            folder = Path(self.target.folder)
            remove_files(folder, new.temporary.schema, new.temporary.name)

    def _create(self, new: NewTable) -> None:
        with self.server.connect() as source:
            sql = create_statement(source, new.table)
        siblings = {
            other.table.name: other.temporary.name
            for other in self.target.new_tables
            if other.table.schema == new.table.schema and other.name.schema == new.name.schema
        }
        taken = self.target.constraints[new.name.schema]
        run(
            self.connection,
            # Names in it, of parents as well, are of the schema that it is made in.
            f"USE {quoted(new.name.schema)}",
        )
        run(self.connection, created_as(sql, new.table, new.temporary, moved=siblings, taken=taken))

    def _by_rows(self, new: NewTable) -> None:
        self._create(new)
        for statement, _ in insert_statements(self.server, new.table, new.temporary):
            self.check()
            run(self.connection, statement)
            self.meter.raw_bytes += len(statement)

    def _by_files(self, new: NewTable) -> None:
        self._create(new)
        run(self.connection, f"ALTER TABLE {new.temporary.quoted} DISCARD TABLESPACE")
        folder, schema = Path(self.target.folder), new.temporary.schema
        names: list[str] = []
        try:
            with flushed(self.server, new.table) as paths:
                for path in paths:
                    name = f"{schema}/{name_as(path, new.temporary.name)}"
                    names.append(name)
                    self.meter.raw_bytes += copy_file(
                        self.server.folder, path, folder, name, check=self.check
                    )
        except OSError as exc:
            raise StageFailed(
                f"{exc.filename or folder}: {exc.strerror}",
                hint="Nothing was changed under the table's own name.",
            ) from None
        run(self.connection, f"ALTER TABLE {new.temporary.quoted} IMPORT TABLESPACE")
        for name in names:
            if not name.endswith(".ibd"):
                with suppress(OSError):
                    (folder / name).unlink()


def rename_statement(tables: Mapping[TableName, NewTable]) -> str:
    """Return the one statement that gives all tables their names, and keeps the present ones."""
    steps = []
    for new in tables.values():
        if new.kept_as is not None:
            steps.append(f"{new.name.quoted} TO {new.kept_as.quoted}")
        steps.append(f"{new.temporary.quoted} TO {new.name.quoted}")
    return f"RENAME TABLE {', '.join(steps)}"


def _text(exc: pymysql.Error) -> str:
    return str(exc.args[-1]) if exc.args else type(exc).__name__
