"""How are the rows of a table in the private server written as statements?

Values are read in their stored bytes and written as literals that a server reads back exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymysql.connections import Connection
from pymysql.cursors import SSCursor

from backups.engines.clone.literals import Column, quoted
from backups.programs.private_server import PrivateServer
from backups.programs.server_session import session
from backups.table_names.names import TableName

STATEMENT_BYTES = 1 << 20
# Makes values independent of the settings of the server that reads them.
PREAMBLE = (
    "SET NAMES utf8mb4",
    "SET SESSION time_zone = '+00:00'",
    "SET SESSION sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
    "SET SESSION foreign_key_checks = 0, unique_checks = 0",
)
_COLUMNS = """
    SELECT COLUMN_NAME, DATA_TYPE, COALESCE(CHARACTER_SET_NAME, '')
    FROM information_schema.COLUMNS
    WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND COALESCE(GENERATION_EXPRESSION, '') = ''
    ORDER BY ORDINAL_POSITION
"""


# Any: cursors of every kind.
def create_statement(connection: Connection[Any], table: TableName) -> str:
    """Return how the private server says that a table is made."""
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW CREATE TABLE {table.quoted}")
        row = cursor.fetchone()
    assert row is not None
    return str(row[1])


def count_rows(connection: Connection[Any], table: TableName) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {table.quoted}")  # noqa: S608 - quoted
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def insert_statements(
    server: PrivateServer, table: TableName, new: TableName
) -> Iterator[tuple[bytes, int]]:
    """Yield statements that insert all rows into ``new``, and how many rows each has."""
    with session(server) as connection:
        columns = _columns(connection, table)
        literals = [column.literal() for column in columns]
        names = ", ".join(quoted(column.name) for column in columns)
        wanted = ", ".join(column.expression for column in columns)
        head = f"INSERT INTO {new.quoted} ({names}) VALUES\n".encode()
        pieces: list[bytes] = []
        size = 0
        with _raw(connection) as cursor:
            cursor.execute(f"SELECT {wanted} FROM {table.quoted}")  # noqa: S608 - quoted
            while row := cursor.fetchone():
                written = (
                    b"NULL" if value is None else literal(value)
                    for literal, value in zip(literals, row, strict=True)
                )
                piece = b"(" + b",".join(written) + b")"
                if pieces and size + len(piece) > STATEMENT_BYTES:
                    yield head + b",\n".join(pieces), len(pieces)
                    pieces, size = [], 0
                pieces.append(piece)
                size += len(piece)
    if pieces:
        yield head + b",\n".join(pieces), len(pieces)


def _columns(connection: Connection[Any], table: TableName) -> list[Column]:
    with connection.cursor() as cursor:
        cursor.execute(_COLUMNS, (table.schema, table.name))
        return [Column(str(name), str(kind), str(text)) for name, kind, text in cursor.fetchall()]


@contextmanager
def _raw(connection: Connection[Any]) -> Iterator[SSCursor]:
    """Give a cursor whose values are the bytes of the server, row by row."""
    with connection.cursor() as cursor:
        for statement in (*PREAMBLE, "SET character_set_results = NULL"):
            cursor.execute(statement)
    # What connections are made with for such values; the library has no public name for it.
    connection.use_unicode, connection.decoders = False, {}
    with connection.cursor(SSCursor) as rows:
        yield rows
