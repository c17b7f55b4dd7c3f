"""How are tables saved that a clone leaves out? By SELECT, one after the other.

MyISAM has no snapshots: a table is locked while it is read, and no other. Rows are passed on at
once, so memory is bounded by one statement, or by one row if that is longer.
"""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

import pymysql
from pymysql.connections import Connection
from pymysql.constants.ER import LOCK_WAIT_TIMEOUT
from pymysql.cursors import Cursor, SSCursor

from backups.engines.base import LOCK_WAIT_SECONDS
from backups.engines.clone.literals import Column, quoted
from backups.engines.clone.saved_files import PREAMBLE, SavedTable, framed, path_of
from backups.exceptions import EngineError, LockNotGranted

# Engines whose rows can be saved and loaded. Others have no rows, or lose them at a restart.
ENGINES_WITH_ROWS = frozenset({"MyISAM", "CSV", "ARCHIVE", "ROCKSDB"})
STATEMENT_BYTES = 1 << 20
# How long a repository may stall before the donor closes the connection.
PATIENCE_SECONDS = 900
# With AUTO_INCREMENT set, ARCHIVE refuses rows with lower numbers; the rows set it correctly.
_COUNTED_ARCHIVE = re.compile(rb"^(\) ENGINE=ARCHIVE) AUTO_INCREMENT=\d+", re.MULTILINE)
_GONE = {1146, 1049}
_COLUMNS = """
    SELECT COLUMN_NAME, DATA_TYPE, COALESCE(CHARACTER_SET_NAME, '')
    FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = {schema} AND TABLE_NAME = {table} AND GENERATION_EXPRESSION = ''
    ORDER BY ORDINAL_POSITION
"""
_SESSION = (
    *PREAMBLE,
    # Every value in its stored bytes.
    "SET character_set_results = NULL",
    f"SET SESSION net_write_timeout = {PATIENCE_SECONDS}",
)


class TableSaver:
    """Reads tables over a connection of its own; ``stop`` may be called from any thread."""

    def __init__(
        self,
        connect: Callable[..., Connection[Any]],
        *,
        lock_wait_seconds: int = LOCK_WAIT_SECONDS,
    ) -> None:
        self._connect = connect
        # While a session waits for a lock, all writers queue behind it.
        self._lock_wait = f"SET SESSION lock_wait_timeout = {lock_wait_seconds}"
        self._connection: Connection[Any] | None = None
        self._stopped = False
        self.saved: list[SavedTable] = []
        self.locked_seconds = 0.0

    def stop(self) -> None:
        """Unblock the thread that reads."""
        self._stopped = True
        if self._connection is not None:
            # The library has no public name for it.
            channel = cast("socket.socket | None", vars(self._connection).get("_sock"))
            if channel is not None:
                with suppress(OSError):
                    socket.socket.shutdown(channel, socket.SHUT_RDWR)

    def save(self, tables: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield path and content of each table that still exists; read the content first."""
        # Tables without rows may refer to the others.
        order = sorted(tables, key=lambda table: table["engine"] not in ENGINES_WITH_ROWS)
        self._connection = self._connect(
            use_unicode=False, conv={}, read_timeout=PATIENCE_SECONDS, autocommit=True
        )
        try:
            for statement in (*_SESSION, self._lock_wait):
                self._run(statement)
            for number, table in enumerate(order, 1):
                yield from self._save_one(table, number)
        finally:
            self._connection.close()

    def _save_one(
        self, table: Mapping[str, Any], number: int
    ) -> Iterator[tuple[str, Iterator[bytes]]]:
        schema, name, engine = table["table_schema"], table["table_name"], table["engine"]
        full_name = f"{quoted(schema)}.{quoted(name)}"
        asked_at = time.monotonic()
        try:
            if self._lock(full_name):
                path = path_of(schema, name, number)
                saved = SavedTable(schema, name, engine, path, None)
                yield path, self._explained(full_name, self._content(saved, full_name))
        finally:
            with suppress(pymysql.err.Error, OSError):
                self._run("UNLOCK TABLES")
            self.locked_seconds += time.monotonic() - asked_at

    def _lock(self, full_name: str) -> bool:
        """Return False if the table has been dropped since it was listed."""
        try:
            self._run(f"LOCK TABLES {full_name} READ")
        except (pymysql.err.Error, OSError) as exc:
            if exc.args and exc.args[0] in _GONE:
                return False
            raise self._explain(full_name, exc) from None
        return True

    def _explained(self, full_name: str, content: Iterator[bytes]) -> Iterator[bytes]:
        """Pass content on; name the table in errors."""
        try:
            yield from content
        except (pymysql.err.Error, OSError) as exc:
            raise self._explain(full_name, exc) from None
        except EngineError as exc:
            raise EngineError(f"{full_name} could not be saved: {exc}", hint=exc.hint) from None

    def _explain(self, full_name: str, exc: Exception) -> EngineError:
        if self._stopped:
            return EngineError("the clone was stopped")
        if exc.args and exc.args[0] == LOCK_WAIT_TIMEOUT:
            return LockNotGranted(f"the wait for a lock on {full_name} was given up")
        reason = exc.args[-1] if exc.args else type(exc).__name__
        return EngineError(
            f"{full_name} could not be saved: {reason}",
            hint="Fix the table, or take the backup with --no-save-foreign-tables.",
        )

    def _content(self, table: SavedTable, full_name: str) -> Iterator[bytes]:
        """Yield the definition, then the rows in statements."""
        for statement in PREAMBLE:
            yield framed(statement.encode())
        schema = quoted(table.schema)
        created = self._run(f"SHOW CREATE TABLE {full_name}")[0][1]
        for statement in (
            f"CREATE DATABASE IF NOT EXISTS {schema}",
            f"USE {schema}",
            f"DROP TABLE IF EXISTS {full_name}",
        ):
            yield framed(statement.encode())
        yield framed(_COUNTED_ARCHIVE.sub(rb"\1", created))
        rows: int | None = None
        if table.engine in ENGINES_WITH_ROWS:
            rows = yield from self._rows(table, full_name)
            # Under the same lock: nobody has written meanwhile.
            self._refuse_part(rows, full_name)
        self.saved.append(SavedTable(table.schema, table.name, table.engine, table.path, rows))

    def _refuse_part(self, read: int, full_name: str) -> None:
        counted = int(self._run(f"SELECT COUNT(*) FROM {full_name}")[0][0])  # noqa: S608
        if counted != read:
            raise EngineError(
                f"{read} rows were read, the server counts {counted}",
                hint=f"Run CHECK TABLE {full_name} on the instance.",
            )

    def _rows(self, table: SavedTable, full_name: str) -> Generator[bytes, None, int]:
        columns = self._columns(table)
        literals = [column.literal() for column in columns]
        names = ", ".join(quoted(column.name) for column in columns)
        wanted = ", ".join(column.expression for column in columns)
        head = f"INSERT INTO {full_name} ({names}) VALUES\n".encode()
        pieces: list[bytes] = []
        size = count = 0
        with self._cursor(SSCursor) as cursor:
            cursor.execute(f"SELECT {wanted} FROM {full_name}")  # noqa: S608
            while row := cursor.fetchone():
                written = (
                    b"NULL" if value is None else literal(value)
                    for literal, value in zip(literals, row, strict=True)
                )
                piece = b"(" + b",".join(written) + b")"
                if pieces and size + len(piece) > STATEMENT_BYTES:
                    yield framed(head + b",\n".join(pieces))
                    pieces, size = [], 0
                pieces.append(piece)
                size += len(piece)
                count += 1
        if pieces:
            yield framed(head + b",\n".join(pieces))
        return count

    def _columns(self, table: SavedTable) -> list[Column]:
        schema, name = (f"x'{part.encode().hex()}'" for part in (table.schema, table.name))
        sql = _COLUMNS.format(
            schema=f"CONVERT({schema} USING utf8mb4)", table=f"CONVERT({name} USING utf8mb4)"
        )
        return [Column(*(part.decode() for part in row)) for row in self._run(sql)]

    def _run(self, sql: str) -> Sequence[tuple[Any, ...]]:
        with self._cursor(Cursor) as cursor:
            cursor.execute(sql)
            return tuple(cursor.fetchall())

    def _cursor(self, kind: type[Any]) -> Any:
        # Any: the library's cursors share no typed interface.
        if self._connection is None:
            raise EngineError("tables are read before a connection was opened")
        return self._connection.cursor(kind)
