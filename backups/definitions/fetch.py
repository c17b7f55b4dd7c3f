"""How are the definitions of an instance read? By SHOW CREATE, over a connection of its own.

What the account may not see, what is locked by DDL for long and what comes after the time limit is
missing, and the document says so: a backup does not fail for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import datetime
from typing import Any, NamedTuple

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.definitions.document import (
    MOST_BYTES,
    MOST_LINE_BYTES,
    Definition,
    encode,
    encode_foot,
    encode_head,
)
from backups.engines.base import Login
from backups.engines.clone.literals import quoted
from backups.exceptions import InstanceUnreachable
from backups.instances.connection import connect, fetch_rows
from backups.units import format_count

# A session that waits for DDL holds up nobody, and DDL may take hours.
LOCK_WAIT_SECONDS = 2
# Of one definition. A list of all tables may take as long as the whole may.
READ_TIMEOUT_SECONDS = 20
# Errors that are named one by one; of more there is only the number.
MOST_NAMED = 5
_NOT_SYSTEM = "NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')"
# Kind of the object, schema and name, of what the account may see.
_LISTS = {
    "schemas": f"SELECT 'SCHEMA' kind, SCHEMA_NAME sch, '' name FROM information_schema.SCHEMATA"  # noqa: S608 - constants
    f" WHERE SCHEMA_NAME {_NOT_SYSTEM}",
    "tables": f"SELECT TABLE_TYPE kind, TABLE_SCHEMA sch, TABLE_NAME name"  # noqa: S608
    f" FROM information_schema.TABLES WHERE TABLE_SCHEMA {_NOT_SYSTEM}",
    "triggers": f"SELECT 'TRIGGER' kind, TRIGGER_SCHEMA sch, TRIGGER_NAME name"  # noqa: S608
    f" FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA {_NOT_SYSTEM}",
    "routines": f"SELECT ROUTINE_TYPE kind, ROUTINE_SCHEMA sch, ROUTINE_NAME name"  # noqa: S608
    f" FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA {_NOT_SYSTEM}",
    "events": f"SELECT 'EVENT' kind, EVENT_SCHEMA sch, EVENT_NAME name"  # noqa: S608
    f" FROM information_schema.EVENTS WHERE EVENT_SCHEMA {_NOT_SYSTEM}",
}
# What the server calls it: our kind, and what SHOW CREATE calls it.
_KINDS = {
    "SCHEMA": ("schema", "DATABASE"),
    "BASE TABLE": ("table", "TABLE"),
    "SYSTEM VERSIONED": ("table", "TABLE"),
    "SEQUENCE": ("sequence", "SEQUENCE"),
    "VIEW": ("view", "VIEW"),
    "TRIGGER": ("trigger", "TRIGGER"),
    "PROCEDURE": ("procedure", "PROCEDURE"),
    "FUNCTION": ("function", "FUNCTION"),
    "PACKAGE": ("package", "PACKAGE"),
    "PACKAGE BODY": ("package body", "PACKAGE BODY"),
    "EVENT": ("event", "EVENT"),
}
# Dropped between the list and the question.
_GONE = frozenset({1008, 1049, 1146, 1305, 1360, 1539, 4091})
# By KILL, as MariaDB and MySQL call it, if they still do.
_KILLED = frozenset({1927, 3169})
_CONNECTION_LOST = _KILLED | {0, 1053, 2006, 2013, 2014, 4031}


class _Named(NamedTuple):
    kind: str
    show: str
    schema: str
    name: str

    @property
    def statement(self) -> str:
        parts = [part for part in (self.schema, self.name) if part]
        return f"SHOW CREATE {self.show} {'.'.join(quoted(part) for part in parts)}"


class DefinitionReader:
    """Reads the definitions of an instance once; ``lines`` yields the document."""

    def __init__(
        self, login: Login, *, seconds: float, check: Callable[[], None], unseen: list[str]
    ) -> None:
        """``seconds`` it may take; ``check`` raises when the work must end.

        ``unseen`` are reasons, known before, for which the account may not see everything.
        """
        self._login, self._check = login, check
        self._seconds, self._unseen = seconds, unseen
        self._errors: list[str] = []
        self.count = 0
        self.missing: list[str] = []

    def lines(self, read_at: datetime) -> Iterator[bytes]:
        """Yield the document's lines; whatever goes wrong with the server is in the last."""
        size = 0
        yield encode_head(read_at)
        try:
            with closing(connect(self._login, read_timeout=READ_TIMEOUT_SECONDS)) as connection:
                for definition in self._read(connection):
                    line = encode(definition)
                    size += len(line)
                    if len(line) > MOST_LINE_BYTES:
                        self._errors.append(
                            f"{definition.full_name}: {len(line)} bytes are too long"
                        )
                    elif size > MOST_BYTES // 2:
                        self.missing.append(f"after {self.count} definitions there was no room")
                        break
                    else:
                        self.count += 1
                        yield line
        except (InstanceUnreachable, ValueError) as exc:
            self.missing.append(f"reading ended early: {exc}")
        self.missing += [*self._unseen, *self._named_errors()]
        yield encode_foot(self.count, self.missing)

    def _read(self, connection: Connection[DictCursor]) -> Iterator[Definition]:
        ends_at = time.monotonic() + self._seconds
        fetch_rows(connection, f"SET SESSION lock_wait_timeout = {LOCK_WAIT_SECONDS}")
        fetch_rows(connection, "SET SESSION sql_quote_show_create = 1")
        listed = self._list(connection, ends_at)
        # A routine has the bytes that its client sent, which need not be UTF-8.
        connection.use_unicode = False
        for position, row in enumerate(listed):
            self._check()
            if time.monotonic() > ends_at:
                left = format_count(len(listed) - position, "definition")
                self.missing.append(f"{left} left out: reading took {self._seconds:g} s")
                return
            if (known := _KINDS.get(row["kind"])) is None:
                self._errors.append(f"{row['sch']}.{row['name']}: unknown kind {row['kind']}")
            elif definition := self._show(connection, _Named(*known, row["sch"], row["name"])):
                yield definition

    def _list(self, connection: Connection[DictCursor], ends_at: float) -> list[Mapping[str, Any]]:
        rows: list[Mapping[str, Any]] = []
        for what, sql in _LISTS.items():
            self._check()
            left = ends_at - time.monotonic()
            if left <= 0:
                self.missing.append(f"{what} left out: reading took {self._seconds:g} s")
                continue
            _wait_for_answers(connection, left)
            try:
                with connection.cursor() as cursor:
                    cursor.execute(sql)
                    rows += cursor.fetchall()
            except (pymysql.err.Error, OSError) as exc:
                _raise_lost(exc, f"listing {what}")
                # With its event scheduler disabled, a MariaDB lists no events.
                self.missing.append(f"{what} are missing: {exc.args[-1]}")
        _wait_for_answers(connection, READ_TIMEOUT_SECONDS)
        return rows

    def _show(self, connection: Connection[DictCursor], named: _Named) -> Definition | None:
        """Return a definition; None where it cannot be read, which is noted, or is gone."""
        try:
            with connection.cursor() as cursor:
                cursor.execute(named.statement)
                row = cursor.fetchone()
        except (pymysql.err.Error, OSError) as exc:
            if _raise_lost(exc, named.statement) not in _GONE:
                self._errors.append(f"{named.schema}.{named.name}: {exc.args[-1]}")
            return None
        sql = _statement_in(row or {})
        if sql is None:
            # The body of a routine that the account may call and not see.
            self._errors.append(f"{named.schema}.{named.name}: the account may not see it")
            return None
        if "\ufffd" in sql:
            self._errors.append(f"{named.schema}.{named.name}: its text is not UTF-8, in part")
        mode = _text((row or {}).get("sql_mode")) or ""
        return Definition(named.kind, named.schema, named.name, sql, mode)

    def _named_errors(self) -> list[str]:
        named, rest = self._errors[:MOST_NAMED], self._errors[MOST_NAMED:]
        return [*named, f"{len(rest)} more could not be read"] if rest else named


def _wait_for_answers(connection: Connection[DictCursor], seconds: float) -> None:
    # The library has no public name for this.
    setattr(connection, "_read_timeout", seconds)  # noqa: B010


def _raise_lost(exc: Exception, what: str) -> int:
    """Raise InstanceUnreachable if the connection is gone; return the number of any other error."""
    code = exc.args[0] if exc.args and isinstance(exc.args[0], int) else 0
    if code in _KILLED:
        raise InstanceUnreachable(f"the connection was killed on the server at {what}")
    if code in _CONNECTION_LOST:
        why = str(exc.args[-1] if exc.args else "") or "closed"
        raise InstanceUnreachable(f"the connection was lost or killed at {what}: {why}")
    return code


# Any: a column may hold whatever the server keeps in it.
def _statement_in(row: Mapping[str, Any]) -> str | None:
    for name, value in row.items():
        if name.startswith("Create ") or name == "SQL Original Statement":
            return _text(value)
    return None


# Any: likewise.
def _text(value: Any) -> str | None:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return text if isinstance(text, str) and text else None
