"""Which rows of a table differ between two backups that are both open?

Both tables are read once in the order of a key, side by side, a row of each in memory: of a row its
key and a digest, which the server makes. Only the rows that are shown are read in whole. Nothing of
them is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pymysql
from django.utils.timezone import now
from pymysql.connections import Connection
from pymysql.cursors import SSCursor

from backups.exceptions import BadInput, EngineError
from backups.models import Backup, RowComparison
from backups.opened_tables.columns import OpenedColumn, fetch_columns
from backups.opened_tables.keys import KeyColumn, Ordered, RowKey, choose_key, fetch_keys
from backups.opened_tables.merge import AFTER, BEFORE, CHANGED, EQUAL, KeyedRow, merge_rows
from backups.opened_tables.rows import MOST_BYTES, shown_row
from backups.table_names.names import TableName, quoted

DEFAULT_DIFFERENT = 100
MOST_DIFFERENT = 1000
_HOWS = (BEFORE, AFTER, CHANGED, EQUAL)
# Any: cursors of every kind.
Connect = Callable[[], "Connection[Any]"]


@dataclass(frozen=True, slots=True)
class DifferentRow:
    """A row that differs: its values as they are shown, in each backup that has it."""

    how: str
    before: Sequence[str | None] | None
    after: Sequence[str | None] | None
    # The places of the columns whose values differ.
    changed: frozenset[int] = frozenset()


@dataclass(slots=True)
class RowDifferences:
    """The rows of a table in two backups, side by side."""

    key: RowKey
    # Those that both have, then those of only one of them, which are not compared.
    columns: Sequence[str]
    only_before: Sequence[str]
    only_after: Sequence[str]
    # By BEFORE, AFTER, CHANGED and EQUAL.
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_HOWS, 0))
    rows: list[DifferentRow] = field(default_factory=list)
    # The key where the time ended; None if all rows were compared.
    ended_at_key: str | None = None
    # Whether rows were left out because they are too long together.
    cut: bool = False

    @property
    def compared(self) -> int:
        return sum(self.counts.values())

    @property
    def different(self) -> int:
        return self.compared - self.counts[EQUAL]


@dataclass(frozen=True, slots=True)
class _ReadSide:
    """One of the two backups: its server, and its columns that both have."""

    connect: Connect
    columns: Sequence[OpenedColumn]


def compare_rows(
    before: Connect,
    after: Connect,
    table: TableName,
    *,
    limit: int = DEFAULT_DIFFERENT,
    seconds: float,
) -> RowDifferences:
    """Compare the rows of a table; of each kind of difference the first ``limit`` are shown.

    Refused where both have no key in common. After ``seconds`` it ends, and says at which key.
    """
    if not 0 < limit <= MOST_DIFFERENT:
        raise BadInput(f"{limit} rows cannot be shown", hint=f"At most {MOST_DIFFERENT} can.")
    ends_at = time.monotonic() + seconds
    try:
        with closing(before()) as old, closing(after()) as new:
            key = choose_key(fetch_keys(old, table), fetch_keys(new, table), table)
            columns = [fetch_columns(each, table) for each in (old, new)]
        names = [[column.name for column in side] for side in columns]
        found = RowDifferences(
            key,
            [name for name in names[0] if name in names[1]],
            [name for name in names[0] if name not in names[1]],
            [name for name in names[1] if name not in names[0]],
        )
        sides = [
            _ReadSide(connect, _named(each, found.columns))
            for connect, each in zip((before, after), columns, strict=True)
        ]
        _fill(found, _compare(found, sides, table, limit, ends_at), sides, table)
    except pymysql.err.Error as exc:
        raise EngineError(f"the rows of {table} cannot be compared: {exc.args[-1]}") from None
    return found


def remember(
    found: RowDifferences, before: Backup, after: Backup, table: TableName
) -> RowComparison:
    """Record how many rows differ, in the place of what was recorded of these two before.

    A comparison that ended early does not take the place of a whole one: backups do not change.
    """
    if found.ended_at_key is not None:
        whole = RowComparison.objects.filter(
            before=before, after=after, schema=table.schema, name=table.name, complete=True
        )
        if (known := whole.first()) is not None:
            return known
    counts = {
        "only_before": found.counts[BEFORE],
        "only_after": found.counts[AFTER],
        "changed": found.counts[CHANGED],
        "equal": found.counts[EQUAL],
        "complete": found.ended_at_key is None,
        "compared_at": now(),
    }
    row, _ = RowComparison.objects.update_or_create(
        before=before, after=after, schema=table.schema, name=table.name, defaults=counts
    )
    return row


def _named(columns: Sequence[OpenedColumn], names: Sequence[str]) -> Sequence[OpenedColumn]:
    by_name = {column.name: column for column in columns}
    return [by_name[name] for name in names]


def _compare(
    found: RowDifferences, sides: Sequence[_ReadSide], table: TableName, limit: int, ends_at: float
) -> Sequence[tuple[str, KeyedRow]]:
    """Count all rows, and return those that are to be shown with how they differ."""
    shown: list[tuple[str, KeyedRow]] = []
    with ExitStack() as stack:
        streams = [stack.enter_context(_reading(each, table, found.key)) for each in sides]
        for how, row in merge_rows(*streams):
            if time.monotonic() > ends_at:
                found.ended_at_key = _shown_key(found.key, row, sides[0].columns)
                break
            found.counts[how] += 1
            if how != EQUAL and found.counts[how] <= limit:
                shown.append((how, row))
    return shown


@contextmanager
def _reading(side: _ReadSide, table: TableName, key: RowKey) -> Iterator[Iterator[KeyedRow]]:
    """Yield the rows of one backup in the order of the key; leaving ends the statement."""
    connection = side.connect()
    cursor = connection.cursor(SSCursor)
    orders, values = [[getattr(each, what) for each in key.columns] for what in ("order", "value")]
    with connection.cursor() as asking:
        asking.execute("SELECT CONNECTION_ID()")
        ((session,),) = asking.fetchall()
    fields = ", ".join([*orders, *values, digest_of(side.columns)])
    width = len(key.columns)
    try:
        # While the other one reads rows that only it has, nobody reads these.
        cursor.execute("SET SESSION net_write_timeout = 86400, time_zone = '+00:00'")
        cursor.execute(
            f"SELECT {fields} FROM {table.quoted} FORCE INDEX ({quoted(key.name)})"  # noqa: S608 - quoted names
            f" ORDER BY {key.ordering}"
        )
        yield (
            KeyedRow(tuple(row[:width]), tuple(row[width:-1]), row[-1])
            for row in iter(cursor.fetchone, None)
        )
    finally:
        _end(side.connect, connection, cursor, session)


# Any: as above.
def _end(connect: Connect, connection: Connection[Any], cursor: SSCursor, session: int) -> None:
    """End a statement: the driver would read all of its rows first."""
    with closing(connection):
        try:
            with closing(connect()) as other, other.cursor() as killing:
                killing.execute("KILL QUERY %s", (session,))
            cursor.close()
        except pymysql.err.Error:
            # It has ended already, or with its server.
            return


def digest_of(columns: Sequence[OpenedColumn]) -> str:
    """Return the expression that yields the digest of a row."""
    return f"SHA2(CONCAT_WS(',', {', '.join(each.digest for each in columns)}), 256)"


def _fill(
    found: RowDifferences,
    wanted: Sequence[tuple[str, KeyedRow]],
    sides: Sequence[_ReadSide],
    table: TableName,
) -> None:
    """Read the values of the rows that are shown, as long as they are not too long together."""
    size = 0
    with closing(sides[0].connect()) as old, closing(sides[1].connect()) as new:
        for how, row in wanted:
            a = None if how == AFTER else _values(old, sides[0], table, found.key, row)
            b = None if how == BEFORE else _values(new, sides[1], table, found.key, row)
            different = _different(a, b)
            found.rows.append(DifferentRow(how, a and a[0], b and b[0], different))
            size += sum(len(v.encode()) for each in (a, b) if each for v in each[0] if v)
            if size > MOST_BYTES:
                found.cut = True
                return


_Values = tuple[Sequence[str | None], Sequence[str]]


def _different(a: _Values | None, b: _Values | None) -> frozenset[int]:
    if a is None or b is None:
        return frozenset()
    return frozenset(at for at, pair in enumerate(zip(a[1], b[1], strict=True)) if len({*pair}) > 1)


# Any: as above.
def _values(
    connection: Connection[Any], side: _ReadSide, table: TableName, key: RowKey, row: KeyedRow
) -> _Values:
    """Return the values of a row as they are shown, and the digest of each."""
    parts = [*(each.shown for each in side.columns), *(each.digest for each in side.columns)]
    # Percent signs are the driver's own.
    read = f"SELECT {', '.join(parts)} FROM {table.quoted}".replace("%", "%%")  # noqa: S608 - quoted names
    where = " AND ".join(f"{quoted(name).replace('%', '%%')} = %s" for name in key.names)
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION time_zone = '+00:00'")
        cursor.execute(f"{read} WHERE {where} LIMIT 1", _parameters(key, row))
        found = cursor.fetchone()
    if found is None:
        raise EngineError(f"a row of {table} was not found again by its key {key.name}")
    width = len(side.columns)
    return shown_row(found[:width]), [str(each) for each in found[width:]]


def _shown_key(key: RowKey, row: KeyedRow, columns: Sequence[OpenedColumn]) -> str:
    """Return where a comparison ended: of columns that are named like secrets no value."""
    secret = {column.name for column in columns if column.is_secret}
    pairs = zip(key.columns, _parameters(key, row), strict=True)
    return ", ".join("***" if column.name in secret else str(value) for column, value in pairs)


def _parameters(key: RowKey, row: KeyedRow) -> Sequence[object]:
    pairs: Iterator[tuple[KeyColumn, Ordered]] = zip(key.columns, row.values, strict=True)
    return [column.parameter(value) for column, value in pairs]
