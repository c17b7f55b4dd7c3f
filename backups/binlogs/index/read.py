"""Which transactions of a piece are around a moment, and where may it be cut?

A state at a moment is that before the first transaction, in the order of the file, that was
committed later. Clocks go back: a later transaction with an earlier time does not change that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Set
from dataclasses import dataclass
from itertools import accumulate
from operator import sub

from backups.binlogs.index.packed import Columns, split_gtid, unpack_index


@dataclass(frozen=True, slots=True)
class ChangedTable:
    """What a transaction did to one table."""

    # ``schema.table``
    name: str
    # In events, each of which may hold many rows.
    inserts: int
    updates: int
    deletes: int
    bytes: int


@dataclass(frozen=True, slots=True)
class IndexedTransaction:
    """A transaction as the index shows it."""

    number: int
    start: int
    end: int
    gtid: str
    # Microseconds since the epoch, by the source's clock.
    commit_micros: int
    tables: tuple[ChangedTable, ...]
    # The beginning of a DDL; of another statement its first word; blank: rows only.
    statement: str
    ddl: bool

    @property
    def bytes(self) -> int:
        return self.end - self.start


class SegmentIndex:
    """The index of one piece, read into memory."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        # The latest commit up to each transaction: it never goes back, so it can be searched.
        self._latest = list(accumulate(columns.moments, max))
        self._first_tables = [0, *accumulate(columns.table_counts)]

    @classmethod
    def unpack(cls, content: bytes) -> SegmentIndex:
        """Read a packed index, or raise BinlogDamaged."""
        return cls(unpack_index(content))

    def __len__(self) -> int:
        return len(self._columns.starts)

    @property
    def start(self) -> int:
        """The offset of the piece's first byte in its file."""
        return self._columns.start

    @property
    def end(self) -> int:
        return self._columns.end

    @property
    def tables(self) -> list[str]:
        """Every table that its rows change, as ``schema.table``."""
        return list(self._columns.tables)

    @property
    def has_ddl(self) -> bool:
        return bool(self._columns.ddl)

    def transaction(self, number: int) -> IndexedTransaction:
        columns = self._columns
        rows = range(self._first_tables[number], self._first_tables[number + 1])
        return IndexedTransaction(
            number,
            columns.starts[number],
            columns.ends[number],
            columns.gtid(number),
            columns.moments[number],
            tuple(self._table(row) for row in rows),
            columns.statements.get(number, ""),
            number in columns.ddl,
        )

    def transactions(self, first: int = 0, last: int | None = None) -> Iterator[IndexedTransaction]:
        """Yield those with the numbers from ``first`` up to, not including, ``last``."""
        for number in range(first, len(self) if last is None else last):
            yield self.transaction(number)

    def touching(self, tables: Set[str], first: int = 0) -> Iterator[IndexedTransaction]:
        """Yield those from the number ``first`` on that changed rows of one of the tables."""
        columns, starts = self._columns, self._first_tables
        wanted = {number for number, name in enumerate(columns.tables) if name in tables}
        if not wanted:
            return
        for number in range(first, len(self)):
            if not wanted.isdisjoint(columns.table_numbers[starts[number] : starts[number + 1]]):
                yield self.transaction(number)

    def volumes(self) -> Iterator[tuple[int, int, bool]]:
        """Yield the moment of each commit, the transaction's bytes, and whether it is a DDL."""
        columns = self._columns
        sizes = map(sub, columns.ends, columns.starts)
        for number, (micros, size) in enumerate(zip(columns.moments, sizes, strict=True)):
            yield micros, size, number in columns.ddl

    def first_later_than(self, micros: int) -> int:
        """Return the number of the first one committed after a moment; ``len`` where none was."""
        return bisect_right(self._latest, micros)

    def find(self, gtid: str) -> int | None:
        """Return the number of the transaction of this name."""
        source, number = split_gtid(gtid)
        columns = self._columns
        wanted = columns.source_numbers.get(source)
        at = -1
        try:
            while True:
                at = columns.numbers.index(number, at + 1)
                if columns.sources[at] == wanted:
                    return at
        except ValueError:
            return None

    def starting_at(self, offset: int) -> int | None:
        """Return the number of the first transaction at or after an offset; ``len`` after the last.

        None where the offset is inside a transaction.
        """
        columns = self._columns
        number = bisect_right(columns.ends, offset)
        if number == len(self) or offset <= columns.starts[number]:
            return number
        return None

    def gtids_before(self, number: int) -> str:
        """Return the set or position before a transaction; after all with ``len``."""
        return self._columns.gtids_after(number)

    def _table(self, row: int) -> ChangedTable:
        columns = self._columns
        return ChangedTable(
            columns.tables[columns.table_numbers[row]],
            columns.inserts[row],
            columns.updates[row],
            columns.deletes[row],
            columns.changed_bytes[row],
        )
