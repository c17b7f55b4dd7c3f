"""What did the events of a transaction do, in their order: statements, and rows of tables?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backups.binlogs.events.header import EventType
from backups.binlogs.events.payload import payload_chunks
from backups.binlogs.events.queries import is_silent, read_query
from backups.binlogs.events.rows import ROW_KINDS, RowChange, read_rows, table_number
from backups.binlogs.events.stream import Event, read_events
from backups.binlogs.events.table_map import TableMap, read_table_map
from backups.exceptions import BinlogDamaged

_QUERIES = frozenset({EventType.QUERY, EventType.MARIADB_QUERY_COMPRESSED})


@dataclass(frozen=True, slots=True)
class StatementChange:
    """A statement that is in the binlog as text: a DDL, or one of format STATEMENT."""

    schema: str
    text: str


@dataclass(frozen=True, slots=True)
class TableRowChange:
    """One row of a table."""

    table: TableMap
    row: RowChange


Change = StatementChange | TableRowChange


def read_changes(
    chunks: Iterable[bytes | bytearray | memoryview], start: int, checksummed: bool
) -> Iterator[Change]:
    """Yield what whole transactions did, or raise BinlogDamaged. Rows are read as they come."""
    tables: dict[int, TableMap] = {}
    for event in read_events(chunks, start):
        if event.header.type == EventType.TRANSACTION_PAYLOAD:
            inside = payload_chunks(event.content)
            for inner in read_events(inside, 0):
                yield from _changes(inner, tables, checksummed=False)
        else:
            yield from _changes(event, tables, checksummed)


def _changes(event: Event, tables: dict[int, TableMap], checksummed: bool) -> Iterator[Change]:
    kind = event.header.type
    if kind == EventType.TABLE_MAP:
        table = read_table_map(event.content, checksummed)
        tables[table.number] = table
    elif kind in ROW_KINDS:
        number = table_number(event.content)
        if number not in tables:
            raise BinlogDamaged(f"rows at offset {event.start} are of a table that nothing names")
        for row in read_rows(event.header, event.content, tables[number], checksummed):
            yield TableRowChange(tables[number], row)
    elif kind in _QUERIES:
        query = read_query(event.header, event.content, checksummed)
        if not is_silent(query.statement):
            yield StatementChange(query.schema, query.statement.decode("utf-8", "replace"))
