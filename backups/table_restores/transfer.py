"""How does one table get from the private server into an instance, under a temporary name?"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.archive.meter import Meter
from backups.exceptions import MooringError, StageFailed
from backups.programs.private_server import PrivateServer
from backups.programs.server_session import is_lost, session
from backups.table_names.names import quoted
from backups.table_restores.definitions import created_as
from backups.table_restores.files import (
    UNFINISHED,
    copy_file,
    finish_file,
    flushed,
    name_as,
    remove_files,
)
from backups.table_restores.naming import LOCK_NOT_GRANTED
from backups.table_restores.numbers import numbers_in_use, numbers_of
from backups.table_restores.rows import PREAMBLE, create_statement, insert_statements
from backups.table_restores.target import NewTable, TargetServer, run
from backups.table_restores.ways import Way, why_numbers

UNTOUCHED = "Nothing was changed under the table's own name."
# What a server calls it, by the file that it could not write.
_DISK_FULL = {1021, 1114}


class FilesRefused(MooringError):
    """The files of a table must not get into the folder of the instance."""


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
                except (pymysql.Error, FilesRefused) as exc:
                    if is_lost(exc):
                        raise
                    self.log(f"{new.table}: its files were not imported: {_text(exc)}")
                    self.undo(new)
                    way = Way(by_files=False, reason="its files were not imported, see the log")
            self._by_rows(new)
        except pymysql.Error as exc:
            raise StageFailed(
                f"{new.table} could not be restored into {self.target.instance.name}: {_text(exc)}",
                hint=f"{_advice(exc)} {UNTOUCHED}",
            ) from None
        return way.words

    def undo(self, new: NewTable) -> None:
        """Drop what was made of a table."""
        run(self.connection, f"DROP TABLE IF EXISTS {new.temporary.quoted}")
        if self.target.folder:
            folder = Path(self.target.folder)
            remove_files(folder, new.temporary.schema, new.temporary.name)

    def _create(self, new: NewTable) -> None:
        with session(self.server) as source:
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
        folder = Path(self.target.folder)
        try:
            names = self._copy_files(new, folder)
        except OSError as exc:
            raise StageFailed(
                f"{exc.filename or folder}: {exc.strerror or exc}",
                hint=f"Check that disk and its free space, and restore it again. {UNTOUCHED}",
            ) from None
        run(self.connection, f"ALTER TABLE {new.temporary.quoted} IMPORT TABLESPACE")
        for name in names:
            if not name.endswith(".ibd"):
                with suppress(OSError):
                    (folder / name).unlink()

    def _copy_files(self, new: NewTable, folder: Path) -> list[str]:
        """Copy the files beside the new table's; return their names."""
        names: list[str] = []
        with flushed(self.server, new.table) as paths:
            for path in paths:
                name = f"{new.temporary.schema}/{name_as(path, new.temporary.name)}"
                names.append(name)
                self.meter.raw_bytes += copy_file(
                    self.server.folder, path, folder, name + UNFINISHED, check=self.check
                )
            numbers = numbers_of(self.server.folder, paths)
        # Again: another table may have been made while they were copied.
        if used := numbers_in_use(self.connection, numbers):
            raise FilesRefused(why_numbers(used))
        for name in names:
            finish_file(folder, name)
        return names


def _advice(exc: pymysql.Error) -> str:
    """Return what to do about an error of the instance."""
    if is_lost(exc):
        return "Check that the server runs, and its error log, and restore it again."
    code = exc.args[0] if exc.args else 0
    again = "and restore it again."
    if code in _DISK_FULL:
        return f"Make room on the disk of that server, {again}"
    if code == LOCK_NOT_GRANTED:
        return f"End the session that holds a lock on a table that its foreign keys name, {again}"
    return f"Remove the cause, {again}"


def _text(exc: Exception) -> str:
    # The library has no words for a connection that was lost before.
    return str(exc.args[-1] if exc.args else "") or "the connection was lost"
