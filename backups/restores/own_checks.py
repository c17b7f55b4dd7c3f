"""Which own checks does an admin have on a restored server, and do they pass?

A file of SELECT statements, each ended by a semicolon at the end of a line. A check passes if the
first column of the first row is there, and is neither NULL nor 0 nor blank.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import SSCursor

from backups.exceptions import BadInput
from backups.programs.server_session import is_lost

MOST_BYTES = 64 * 1024
# Of what a check found, as shown and kept.
LONGEST_FOUND = 200
_END = re.compile(r";[ \t]*(?:\n|\Z)")
_COMMENT = re.compile(r"^\s*(?:--|#).*$", re.MULTILINE)
_READS = re.compile(r"(?i)(?:select|with)\b|\(")


@dataclass(frozen=True, slots=True)
class CheckedStatement:
    """One check and what came of it."""

    statement: str
    passed: bool
    # The first column of the first row, or the server's error.
    found: str
    seconds: float

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def parse_own_checks(text: str) -> list[str]:
    """Return the statements, or raise BadInput where one could be none that only reads."""
    if len(text.encode()) > MOST_BYTES:
        raise BadInput(f"the own checks are longer than {MOST_BYTES // 1024} KiB")
    plain = _COMMENT.sub("", text)
    statements = [part.strip() for part in _END.split(plain) if part.strip()]
    for statement in statements:
        if not _READS.match(statement):
            raise BadInput(
                f"an own check is not a SELECT: {statement[:80]}",
                hint="End each statement with a semicolon at the end of its line.",
            )
    return statements


def run_own_checks(
    connection: Connection[Any], statements: list[str]
) -> Iterator[CheckedStatement]:
    """Run each in a transaction that can write nothing; a lost connection is raised."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")
    for statement in statements:
        began = time.monotonic()
        try:
            # Of all rows one is kept in memory, however many there are.
            with connection.cursor(SSCursor) as cursor:
                cursor.execute(statement)
                row = cursor.fetchone()
        except pymysql.Error as exc:
            if is_lost(exc):
                raise
            passed, found = False, str(exc.args[-1] if exc.args else exc)
        else:
            value = row[0] if row else None
            passed, found = _is_passed(value), "no row" if row is None else _shown(value)
        yield CheckedStatement(
            statement, passed, found[:LONGEST_FOUND], round(time.monotonic() - began, 3)
        )


def _is_passed(value: object) -> bool:
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return value not in (None, "", "0") and bool(value)


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return "NULL" if value is None else str(value)
