"""Which columns does an opened table have, and how is a value of each read, shortened?

A value is cut by the server: a column may hold gigabytes. Bytes are read as hexadecimal digits, and
of a column whose name speaks of a secret only the length is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymysql.connections import Connection

from backups.exceptions import BadInput
from backups.table_names.names import TableName, quoted

# Of one value.
MOST_CHARACTERS = 200
MOST_OCTETS = 64
_SECRET = re.compile(
    r"passw|pwd|secret|token|api_?key|private_?key|credential|(?:^|_)(?:pin|cvv|hash|salt)(?:_|$)",
    re.IGNORECASE,
)
_TEXTS = frozenset({"char", "varchar", "tinytext", "text", "mediumtext", "longtext"})
_BYTES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_NUMBERS = frozenset(
    {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double"}
)
_MOMENTS = frozenset({"date", "datetime", "timestamp", "time", "year"})
_SHORT = _NUMBERS | _MOMENTS | {"enum", "uuid", "inet4", "inet6"}
_SETS = frozenset({"set", "json"})


@dataclass(frozen=True, slots=True)
class OpenedColumn:
    """A column of an opened table."""

    name: str
    # As the server names it: varchar, bigint, longblob.
    kind: str
    # Its place in the primary key, from 1; 0 outside of it.
    key_place: int = 0

    @property
    def is_secret(self) -> bool:
        """Whether its name says that its values are not to be seen."""
        return bool(_SECRET.search(self.name))

    @property
    def shown(self) -> str:
        """The expression that yields what is shown of a value: text, or NULL."""
        column = quoted(self.name)
        if self.is_secret:
            return f"CONCAT('*** (', LENGTH({column}), ' bytes)')"
        if self.kind in _TEXTS:
            return _cut(f"CONVERT({column} USING utf8mb4)", f"CHAR_LENGTH({column})")
        if self.kind in _SETS:
            text = f"CAST({column} AS CHAR CHARACTER SET utf8mb4)"
            return _cut(text, f"CHAR_LENGTH({text})")
        if self.kind in _BYTES:
            return _octets(column)
        if self.kind in _SHORT:
            return f"CAST({column} AS CHAR CHARACTER SET utf8mb4)"
        if self.kind == "bit":
            return f"CONCAT('0x', HEX({column}))"
        # Of a kind that is not known it is said how much there is of it: LENGTH takes every kind.
        return f"CONCAT('({self.kind}, ', LENGTH({column}), ' bytes)')"

    @property
    def digest(self) -> str:
        """The expression that yields equal texts without commas for equal values, never NULL.

        Also of a secret: what it yields is compared and never shown.
        """
        column = quoted(self.name)
        if self.kind in ("float", "double"):
            # As text, a FLOAT has fewer digits than its value.
            column = f"({column} + 0e0)"
        if self.kind in _NUMBERS | _MOMENTS:
            return f"IFNULL(CAST({column} AS CHAR CHARACTER SET utf8mb4), '-')"
        if self.kind in _TEXTS:
            column = f"CONVERT({column} USING utf8mb4)"
        elif self.kind in _SHORT | _SETS:
            column = f"CAST({column} AS CHAR CHARACTER SET utf8mb4)"
        elif self.kind not in _BYTES:
            column = f"HEX({column})"
        return f"IFNULL(SHA2({column}, 256), '-')"


def _cut(text: str, length: str) -> str:
    more = f"CONCAT('… (', {length}, ' characters)')"
    return f"CONCAT(LEFT({text}, {MOST_CHARACTERS}), IF({length} > {MOST_CHARACTERS}, {more}, ''))"


def _octets(column: str) -> str:
    more = f"CONCAT('… (', LENGTH({column}), ' bytes)')"
    cut = f"IF(LENGTH({column}) > {MOST_OCTETS}, {more}, '')"
    return f"CONCAT('0x', HEX(LEFT({column}, {MOST_OCTETS})), {cut})"


# Any: cursors of every kind.
def fetch_columns(connection: Connection[Any], table: TableName) -> Sequence[OpenedColumn]:
    """Read the columns of a table in their order; BadInput where it has none."""
    with connection.cursor() as cursor:
        cursor.execute(_KEY_SQL, (table.schema, table.name))
        key: Mapping[str, int] = {name: int(place) for name, place in cursor.fetchall()}
        cursor.execute(_COLUMNS_SQL, (table.schema, table.name))
        rows = cursor.fetchall()
    # What the server calls a kind is put into a statement: only letters and digits are.
    found = [
        OpenedColumn(name, re.sub(r"\W", "", str(kind), flags=re.ASCII).lower(), key.get(name, 0))
        for name, kind in rows
    ]
    if not found:
        raise BadInput(f"{table} has no columns in the opened backup")
    return found


_KEY_SQL = (
    "SELECT COLUMN_NAME, SEQ_IN_INDEX FROM information_schema.STATISTICS"
    " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND INDEX_NAME = 'PRIMARY'"
)
_COLUMNS_SQL = (
    "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS"
    " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION"
)


def key_of(columns: Sequence[OpenedColumn]) -> Sequence[OpenedColumn]:
    """Return the columns of the primary key, in its order; empty without one."""
    return sorted((each for each in columns if each.key_place), key=lambda each: each.key_place)
