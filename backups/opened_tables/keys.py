"""Which key puts the rows of a table in two backups in one order, and how is it read?

The primary key, else a unique key without NULL, which both backups have with equal columns. A value
is read in a form whose order in Python is the server's: numbers, moments and bytes as they are,
texts as the weights that their collation gives. Whoever reads rows checks that they ascend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any

from pymysql.connections import Connection

from backups.exceptions import Refused
from backups.table_names.names import TableName, quoted

_NUMBERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint", "year", "decimal"})
# Ordered by the number of the value, not by its text.
_NUMBERED = frozenset({"enum", "set", "bit"})
_MOMENTS = frozenset({"date", "datetime", "timestamp"})
_BYTES = frozenset({"binary", "varbinary"})
_TEXTS = frozenset({"char", "varchar"})
_KNOWN = _NUMBERS | _NUMBERED | _MOMENTS | _BYTES | _TEXTS
# In what a key's column is read as; all values of one column are of one of them.
Ordered = int | str | Decimal
PRIMARY = "PRIMARY"


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column of a key."""

    name: str
    kind: str
    collation: str = ""
    # In characters, of a text.
    length: int = 0
    # Whether its collation ignores spaces at the end.
    padded: bool = False

    @property
    def order(self) -> str:
        """The expression whose values ascend with the key."""
        column = quoted(self.name)
        if self.kind in _NUMBERED:
            return f"CAST({column} AS UNSIGNED)"
        if self.kind in _MOMENTS:
            return f"CAST({column} AS CHAR CHARACTER SET utf8mb4)"
        if self.kind in _BYTES:
            return f"HEX({column})"
        if self.kind in _TEXTS:
            filled = f" AS CHAR({self.length})" if self.padded else ""
            return f"HEX(WEIGHT_STRING({column}{filled}))"
        return column

    @property
    def value(self) -> str:
        """The expression whose values find the row again; equal to ``order`` if that does."""
        if self.kind in _TEXTS:
            return f"HEX(CONVERT({quoted(self.name)} USING utf8mb4))"
        return self.order

    def parameter(self, value: Ordered) -> object:
        """Return what ``value`` yielded as the parameter of a statement."""
        if self.kind in _TEXTS:
            return bytes.fromhex(str(value)).decode()
        return bytes.fromhex(str(value)) if self.kind in _BYTES else value


@dataclass(frozen=True, slots=True)
class RowKey:
    """A key that has each row of a table once."""

    name: str
    columns: tuple[KeyColumn, ...]
    # Why rows cannot be put in order by it; blank if they can.
    unfit: str = ""

    @property
    def names(self) -> Sequence[str]:
        return [column.name for column in self.columns]

    @property
    def ordering(self) -> str:
        return ", ".join(quoted(name) for name in self.names)


# Any: cursors of every kind.
def fetch_keys(connection: Connection[Any], table: TableName) -> Sequence[RowKey]:
    """Read the keys that have each row once, the primary key first."""
    with connection.cursor() as cursor:
        cursor.execute(_PADS_SQL)
        has_pads = cursor.fetchone() is not None
        pads = "l.PAD_ATTRIBUTE = 'PAD SPACE'" if has_pads else _PADDED_BY_NAME
        cursor.execute(_KEYS_SQL.format(pads=pads), (table.schema, table.name))
        rows = cursor.fetchall()
    return [_key(name, list(parts)) for name, parts in groupby(rows, key=lambda row: str(row[0]))]


def _key(name: str, rows: Sequence[Sequence[Any]]) -> RowKey:
    """Return a key of rows of information_schema. Any: SQL's values."""
    columns, unfit = [], ""
    for _, column, part, direction, nullable, kind, collation, length, padded in rows:
        if column is None:
            unfit = unfit or "a part of it is an expression"
            continue
        kind = str(kind).lower()
        if nullable == "YES":
            unfit = f"its column {column} may be NULL"
        elif part is not None:
            unfit = f"it has only the beginning of {column}"
        elif direction != "A":
            unfit = f"its column {column} descends"
        elif kind not in _KNOWN:
            unfit = f"its column {column} is of the kind {kind}"
        columns.append(
            KeyColumn(column, kind, collation or "", int(length or 0), bool(int(padded or 0)))
        )
    return RowKey(name, tuple(columns), unfit)


_PADS_SQL = (
    "SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'information_schema'"
    " AND TABLE_NAME = 'COLLATIONS' AND COLUMN_NAME = 'PAD_ATTRIBUTE'"
)
_PADDED_BY_NAME = "c.COLLATION_NAME NOT LIKE '%%nopad%%' AND c.COLLATION_NAME <> 'binary'"
_KEYS_SQL = (
    "SELECT s.INDEX_NAME, s.COLUMN_NAME, s.SUB_PART, s.COLLATION, c.IS_NULLABLE, c.DATA_TYPE,"
    " c.COLLATION_NAME, c.CHARACTER_MAXIMUM_LENGTH, {pads}"
    " FROM information_schema.STATISTICS s"
    " LEFT JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = s.TABLE_SCHEMA"
    " AND c.TABLE_NAME = s.TABLE_NAME AND c.COLUMN_NAME = s.COLUMN_NAME"
    " LEFT JOIN information_schema.COLLATIONS l ON l.COLLATION_NAME = c.COLLATION_NAME"
    " WHERE s.TABLE_SCHEMA = %s AND s.TABLE_NAME = %s AND s.NON_UNIQUE = 0"
    " ORDER BY s.INDEX_NAME <> 'PRIMARY', s.INDEX_NAME, s.SEQ_IN_INDEX"
)


def choose_key(before: Sequence[RowKey], after: Sequence[RowKey], table: TableName) -> RowKey:
    """Return the key by which rows of both are matched; Refused where there is none."""
    later = {(key.name, key.columns) for key in after if not key.unfit}
    for key in before:
        if not key.unfit and (key.name, key.columns) in later:
            return key
    reasons = [f"{key.name}: {key.unfit}" for key in (*before, *after) if key.unfit]
    if before and after and not reasons:
        reasons = ["the keys of the two backups differ"]
    why = "; ".join(dict.fromkeys(reasons)) or "the table has no primary key and no unique key"
    raise Refused(
        f"it is unknown which rows of {table} differ: {why}",
        hint="Look at the rows of each backup by itself.",
    )
