"""Which rows of an opened table are shown?

Some rows in the order of the primary key, where conditions on its columns hold. Nobody's SQL is
run: a statement is made of the table's own columns, of operators of a list, and of parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import SSCursor

from backups.definitions.written import printable
from backups.exceptions import BadInput, EngineError
from backups.opened_tables.columns import OpenedColumn, fetch_columns, key_of
from backups.table_names.names import TableName, quoted

DEFAULT_ROWS = 100
MOST_ROWS = 1000
# Of all values of an answer, as they are shown.
MOST_BYTES = 1 << 20
# Without a primary key and with conditions a server may read all of a table.
MOST_SECONDS = 30
OPERATORS = ("=", "<", "<=", ">", ">=")
_CONDITION = re.compile(r"\s*(`(?:[^`]|``)+`|[^\s<>=]+)\s*(<=|>=|=|<|>)\s*(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """A column of the primary key, held against a value."""

    column: str
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class RowChoice:
    """Which rows of a table are wanted."""

    conditions: Sequence[KeyCondition] = ()
    descending: bool = False
    limit: int = DEFAULT_ROWS


@dataclass(frozen=True, slots=True)
class TableRows:
    """Rows as they are shown: None is NULL."""

    columns: Sequence[OpenedColumn]
    rows: Sequence[Sequence[str | None]]
    # Whether the table has more rows that were chosen.
    more: bool
    # Whether rows were left out because they are too long together.
    cut: bool


def parse_condition(text: str) -> KeyCondition:
    """Read ``column >= value``; BadInput if it is none."""
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise BadInput(
            f"{text!r} is no condition on a key",
            hint=f"Write it as 'column {'|'.join(OPERATORS)} value'.",
        )
    column = match[1][1:-1].replace("``", "`") if match[1].startswith("`") else match[1]
    return KeyCondition(column, match[2], match[3].strip())


# Any: cursors of every kind.
def fetch_rows_shown(connection: Connection[Any], table: TableName, choice: RowChoice) -> TableRows:
    """Read the chosen rows; BadInput where a condition is on no column of the primary key."""
    columns = fetch_columns(connection, table)
    sql, values = build_statement(table, columns, choice)
    try:
        with connection.cursor() as cursor:
            _limit_time(cursor)
        # Row by row: a thousand rows of thousands of columns are more than a page's process has.
        with connection.cursor(SSCursor) as cursor:
            # An empty list would have the driver look for percent signs.
            cursor.execute(sql, values or None)
            rows, cut = _within(iter(cursor.fetchone, None), choice.limit)
            more = cut or cursor.fetchone() is not None
    except pymysql.err.Error as exc:
        raise EngineError(f"the rows of {table} cannot be read: {exc.args[-1]}") from None
    return TableRows(columns, rows, more, cut)


def build_statement(
    table: TableName, columns: Sequence[OpenedColumn], choice: RowChoice
) -> tuple[str, Sequence[str]]:
    """Return the statement that reads the chosen rows, and its parameters."""
    if not 0 < choice.limit <= MOST_ROWS:
        raise BadInput(f"{choice.limit} rows cannot be shown", hint=f"At most {MOST_ROWS} can.")
    key = key_of(columns)
    known = {each.name for each in key}
    for each in choice.conditions:
        if each.column not in known or each.operator not in OPERATORS:
            names = ", ".join(column.name for column in key)
            raise BadInput(
                f"{each.column} is no column of the primary key of {table}",
                hint=f"Its columns are {names}." if key else "The table has no primary key.",
            )
    # Percent signs are the driver's own.
    shown = ", ".join(each.shown for each in columns).replace("%", "%%")
    where = " AND ".join(
        f"{quoted(each.column).replace('%', '%%')} {each.operator} %s" for each in choice.conditions
    )
    turned = " DESC" if choice.descending else ""
    order = ", ".join(f"{quoted(each.name)}{turned}".replace("%", "%%") for each in key)
    sql = (
        f"SELECT {shown} FROM {table.quoted.replace('%', '%%')}"  # noqa: S608 - quoted names
        + (f" WHERE {where}" if where else "")
        + (f" ORDER BY {order}" if order else "")
        + f" LIMIT {choice.limit + 1:d}"
    )
    # Without parameters the driver leaves percent signs alone.
    values = [each.value for each in choice.conditions]
    return (sql if values else sql.replace("%%", "%")), values


# Any: as above.
def _limit_time(cursor: Any) -> None:
    """Set the limit of this product; the other one has no such variable."""
    for statement in (
        f"SET SESSION max_statement_time = {MOST_SECONDS}",
        f"SET SESSION max_execution_time = {MOST_SECONDS * 1000}",
    ):
        try:
            cursor.execute(statement)
        except pymysql.err.OperationalError:
            continue
        return


# Any: what the driver makes of text.
def _within(
    found: Iterable[Sequence[Any]], limit: int
) -> tuple[Sequence[Sequence[str | None]], bool]:
    """Return rows as they are shown, as long as all of them together are not too long.

    Also whether they were; no row beyond the limit is taken.
    """
    rows: list[Sequence[str | None]] = []
    size = 0
    for row in islice(found, limit):
        shown = shown_row(row)
        size += sum(len(value.encode()) for value in shown if value is not None)
        if size > MOST_BYTES:
            return rows, True
        rows.append(shown)
    return rows, False


# Any: likewise.
def shown_row(row: Sequence[Any]) -> Sequence[str | None]:
    """Return the values of a row as they are shown: escaped, on one line."""
    return [None if value is None else printable(_text(value)) for value in row]


# Any: likewise.
def _text(value: Any) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return text.replace("\n", "\\n").replace("\t", "\\t")
