"""Which statements reverse the rows of a transaction, and why can some not be reversed?

The last change is reversed first. A row is found by its key, or by all its columns where the table
has none, and only where it is still as the transaction left it. At the end the number of changed
rows is compared, so that a row that was changed meanwhile leaves the whole file without effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from backups.binlogs.events.changes import Change, StatementChange, TableRowChange
from backups.binlogs.events.rows import ChangeKind, Image
from backups.binlogs.events.table_map import TableMap
from backups.binlogs.events.values import NotDecoded
from backups.binlogs.undo.columns import TableColumn, difference, is_incomparable
from backups.binlogs.undo.literals import literal, quote_name
from backups.exceptions import BinlogDamaged

# Their bytes in a row are in another order than in SQL.
_UNWRITABLE = {"uuid"}
# Returns the columns by ``schema.table``; None where nothing has their names.
FindColumns = Callable[[TableMap], tuple[TableColumn, ...] | None]


@dataclass(slots=True)
class Reversal:
    """The reverse statements, newest change first, and what they leave out."""

    statements: list[str] = field(default_factory=list)
    # Each once, in the order of the transaction.
    problems: list[str] = field(default_factory=list)
    # The keys of the changed rows, by table: what a later change of the same row is found by.
    keys: dict[str, set[str]] = field(default_factory=dict)

    def refuse(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)


def reverse(changes: Iterable[Change], find_columns: FindColumns) -> Reversal:
    """Return the statements that reverse a transaction's changes."""
    result = Reversal()
    known: dict[str, tuple[TableColumn, ...] | None] = {}
    for change in changes:
        if isinstance(change, StatementChange):
            words = " ".join(change.text.split())[:80]
            result.refuse(f"a statement without row images: {words}")
            continue
        name = change.table.name
        if name not in known:
            known[name] = _usable(change.table, find_columns, result)
        columns = known[name]
        if columns is not None:
            _reverse_row(change, columns, result)
    result.statements.reverse()
    return result


def script(reversal: Reversal, heading: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a file for the client: one transaction, all or nothing."""
    for line in heading:
        yield f"-- {' '.join(line.split())}"
    yield "SET NAMES utf8mb4;"
    yield "SET SESSION time_zone = '+00:00';"
    yield (
        "SET SESSION sql_mode = "
        "'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_BACKSLASH_ESCAPES';"
    )
    yield "START TRANSACTION;"
    yield "SET @undone = 0;"
    for statement in reversal.statements:
        yield f"{statement};"
        yield "SET @undone = @undone + ROW_COUNT();"
    expected = len(reversal.statements)
    # A client that goes on after an error must not commit a part.
    yield f"SET @end = IF(@undone = {expected}, 'COMMIT', 'DO 0');"
    yield "PREPARE ending FROM @end;"
    yield "EXECUTE ending;"
    yield "DEALLOCATE PREPARE ending;"
    yield "ROLLBACK;"
    yield "-- An error here means that a row was changed meanwhile: nothing is committed."
    # It has a number in it, and nothing else.
    two_rows = f"SELECT 1 FROM (SELECT 1 UNION SELECT 2) AS two WHERE @undone <> {expected}"  # noqa: S608
    yield f"SELECT IF(@undone = {expected}, 'complete', ({two_rows})) AS outcome;"


def row_key(image: Image, columns: tuple[TableColumn, ...], table: TableMap) -> str | None:
    """Return what identifies a row; None where its image does not have it all."""
    places = [place for place, column in enumerate(columns) if column.key]
    places = places or list(range(len(columns)))
    if any(place not in image for place in places):
        return None
    return " AND ".join(_equal(place, image, columns, table) for place in places)


def _usable(
    table: TableMap, find_columns: FindColumns, result: Reversal
) -> tuple[TableColumn, ...] | None:
    columns = find_columns(table)
    if columns is None:
        result.refuse(f"the columns of {table.name} have no names: the table is not there")
        return None
    if different := difference(table, columns):
        result.refuse(f"{table.name} was altered: {different}")
        return None
    odd = [column.name for column in columns if column.data_type in _UNWRITABLE]
    if odd:
        result.refuse(f"{table.name} has columns of type UUID: {', '.join(odd)}")
        return None
    return columns


def _reverse_row(
    change: TableRowChange, columns: tuple[TableColumn, ...], result: Reversal
) -> None:
    table, row = change.table, change.row
    try:
        if row.kind is ChangeKind.INSERT:
            statement = _delete(row.after or {}, columns, table)
        elif row.kind is ChangeKind.DELETE:
            statement = _insert(row.before or {}, columns, table)
        else:
            statement = _update(row.before or {}, row.after or {}, columns, table)
    except (_MissingColumns, BinlogDamaged) as problem:
        result.refuse(f"{row.kind.value} on {table.name}: {problem}")
        return
    keys = result.keys.setdefault(table.name, set())
    for image in (row.before, row.after):
        key = row_key(image, columns, table) if image is not None else None
        if key is not None:
            keys.add(key)
    result.statements.append(statement)


class _MissingColumns(Exception):
    """An image does not have what its reversal needs."""


def _delete(after: Image, columns: tuple[TableColumn, ...], table: TableMap) -> str:
    # Names are quoted, values are literals.
    return f"DELETE FROM {_name(table)} WHERE {_where(after, columns, table)} LIMIT 1"  # noqa: S608


def _insert(before: Image, columns: tuple[TableColumn, ...], table: TableMap) -> str:
    settable = [place for place, column in enumerate(columns) if not column.generated]
    _need(before, settable, columns)
    names = ", ".join(quote_name(columns[place].name) for place in settable)
    values = ", ".join(
        literal(before[place], table.columns[place], columns[place]) for place in settable
    )
    # Names are quoted, values are literals.
    return f"INSERT INTO {_name(table)} ({names}) VALUES ({values})"  # noqa: S608


def _update(before: Image, after: Image, columns: tuple[TableColumn, ...], table: TableMap) -> str:
    changed = [
        place
        for place in after
        if not columns[place].generated and before.get(place, _ABSENT) != after[place]
    ]
    if changed:
        # Else the reversal would set them to the present moment.
        touched = (place for place, column in enumerate(columns) if column.touched)
        changed += [place for place in touched if place not in changed]
    _need(before, changed, columns)
    # What the after image leaves out is as it was before.
    now = {**before, **after}
    sets = ", ".join(
        f"{quote_name(columns[place].name)} = "
        + literal(before[place], table.columns[place], columns[place])
        for place in changed
    )
    if not sets:
        raise _MissingColumns("nothing that a statement could set was changed")
    # Names are quoted, values are literals.
    return f"UPDATE {_name(table)} SET {sets} WHERE {_where(now, columns, table)} LIMIT 1"  # noqa: S608


_ABSENT = object()


def _where(image: Image, columns: tuple[TableColumn, ...], table: TableMap) -> str:
    """Return the condition that finds the row if it is still as in the image."""
    keys = [place for place, column in enumerate(columns) if column.key]
    _need(image, keys or list(range(len(columns))), columns)
    if odd := [columns[at].name for at in keys if is_incomparable(table.columns[at].type)]:
        raise _MissingColumns(f"its key has columns that cannot be compared: {', '.join(odd)}")
    compared = [
        place
        for place in sorted(image)
        if place in keys or _is_comparable(place, image, columns, table)
    ]
    left_out = [
        columns[place].name
        for place in image
        if place not in compared and not columns[place].generated
    ]
    if left_out and not keys:
        # Two rows may differ in these alone.
        raise _MissingColumns(f"it has no key, and {', '.join(left_out)} cannot be compared")
    if not compared:
        raise _MissingColumns("no column of it can be compared")
    found = [_equal(place, image, columns, table) for place in compared]
    return " AND ".join([*found, *_same_bytes(image, columns, compared)])


def _same_bytes(
    image: Image, columns: tuple[TableColumn, ...], compared: Iterable[int]
) -> Iterator[str]:
    """Yield conditions for texts: by their collation, other texts may be equal."""
    for place in compared:
        value = image[place]
        if columns[place].charset and isinstance(value, bytes):
            yield f"CAST({quote_name(columns[place].name)} AS BINARY) <=> X'{value.hex()}'"


def _is_comparable(
    place: int, image: Image, columns: tuple[TableColumn, ...], table: TableMap
) -> bool:
    """Whether a value of the image, written as a literal, is equal to the same in the table."""
    if columns[place].generated or isinstance(image[place], NotDecoded):
        return False
    return image[place] is None or not is_incomparable(table.columns[place].type)


def _equal(place: int, image: Image, columns: tuple[TableColumn, ...], table: TableMap) -> str:
    if image[place] is None:
        # No operator takes every type.
        return f"{quote_name(columns[place].name)} IS NULL"
    value = literal(image[place], table.columns[place], columns[place])
    return f"{quote_name(columns[place].name)} <=> {value}"


def _need(image: Image, places: list[int], columns: tuple[TableColumn, ...]) -> None:
    missing = [
        columns[place].name
        for place in places
        if place not in image or isinstance(image[place], NotDecoded)
    ]
    if missing:
        raise _MissingColumns(f"the image has no value of {', '.join(missing)}")


def _name(table: TableMap) -> str:
    return f"{quote_name(table.schema)}.{quote_name(table.table)}"
