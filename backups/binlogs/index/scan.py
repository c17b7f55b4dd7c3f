"""Which tables do the events of a stream change, and how much? One pass, without reading a row.

A row event names its table by a number that a TABLE_MAP event in front of it explains. Of a row
event only its header and that number are looked at, so that the rate is that of headers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from backups.binlogs.events.header import HEADER, EventHeader, EventType, read_header
from backups.exceptions import BinlogDamaged

# The header and, where there is one, the table's number.
_START = struct.Struct("<IBIIIH6s")
_PAD = bytes(_START.size - HEADER.size)

# Into which column of a table's counts an event goes, by its type: MySQL's row events of version
# 1 and 2, its partial update, MariaDB's compressed ones.
INSERTS, UPDATES, DELETES, BYTES = 1, 2, 3, 4
ROW_COLUMNS = {
    **dict.fromkeys((23, 30, 166, 169), INSERTS),
    **dict.fromkeys((24, 31, 39, 167, 170), UPDATES),
    **dict.fromkeys((25, 32, 168, 171), DELETES),
}
_TABLE_MAP = int(EventType.TABLE_MAP)
# The table's number, and inserts, updates, deletes (in events), bytes.
Counts = list[int]
Decide = Callable[[EventHeader, bytes, int], None]


class TableNumbers:
    """The tables of a piece, numbered in the order of their first appearance."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        found = self._numbers.get(name)
        if found is None:
            found = self._numbers[name] = len(self.names)
            self.names.append(name)
        return found


class RowScanner:
    """Counts row events by table, and hands the events of some types to ``decide``."""

    def __init__(
        self, tables: TableNumbers, decisive: frozenset[int], decide: Decide, start: int = 0
    ) -> None:
        """``start``: the offset of the first byte fed."""
        self._tables = tables
        self._decisive = decisive
        self._decide = decide
        self.offset = start
        # Of an event that must be read whole; ``_wanted`` bytes of it before it is worth a look.
        self._rest = bytearray()
        self._wanted = 0
        # What of the last event has not come yet, and is not needed.
        self._skip = 0
        # By the number in the stream: our own. It means the same as long as the file lasts.
        self._known: dict[bytes, int] = {}
        # Of the present transaction, by the number in the stream. Emptied by ``decide``.
        self.touched: dict[bytes, Counts] = {}

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes, cut anywhere."""
        if self._skip >= len(chunk):
            self._skip -= len(chunk)
            self.offset += len(chunk)
            return
        if self._rest:
            self._rest += chunk
            if len(self._rest) < self._wanted:
                return
            chunk = self._rest
        buffer = bytes(chunk)
        at = self._scan(buffer, self._skip, len(buffer))
        self.offset += min(at, len(buffer))
        self._skip = max(at - len(buffer), 0)
        self._rest = bytearray(buffer[at:])

    def finish(self) -> None:
        """Take what is left, or raise BinlogDamaged where it is not a whole event."""
        rest, self._rest = bytes(self._rest), bytearray()
        whole = not rest or (len(rest) >= HEADER.size and read_header(rest).size == len(rest))
        if self._skip or not whole:
            raise BinlogDamaged(f"the events end in the middle of one, at offset {self.offset}")
        self.offset += self._scan(rest + _PAD, 0, len(rest)) if rest else 0

    def _scan(self, buffer: bytes, at: int, end: int) -> int:
        """Return where the next event begins; it may lie behind the end."""
        base = self.offset
        unpack, columns, touched = _START.unpack_from, ROW_COLUMNS, self.touched
        decisive, known = self._decisive, self._known
        self._wanted = 0
        limit = len(buffer) - _START.size
        while at <= limit and at < end:
            second, kind, server, size, log_pos, flags, table = unpack(buffer, at)
            if size < HEADER.size:
                raise BinlogDamaged(f"an event at offset {base + at} claims {size} bytes")
            column = columns.get(kind)
            if column is not None:
                counts = touched.get(table)
                if counts is None:
                    counts = self._touch(table, base + at)
                counts[column] += 1
                counts[BYTES] += size
            elif kind == _TABLE_MAP:
                if table not in known:
                    if at + size > end:
                        self._wanted = size
                        break
                    known[table] = self._tables.number(table_name(buffer[at : at + size]))
            elif kind in decisive:
                if at + size > end:
                    self._wanted = size
                    break
                header = EventHeader(second, kind, server, size, log_pos, flags)
                self._decide(header, buffer[at : at + size], base + at)
            at += size
        return at

    def _touch(self, table: bytes, offset: int) -> Counts:
        number = self._known.get(table)
        if number is None:
            raise BinlogDamaged(f"rows at offset {offset} are of a table that nothing names")
        counts = self.touched[table] = [number, 0, 0, 0, 0]
        return counts


def table_name(event: bytes) -> str:
    """Return ``schema.table`` of a whole TABLE_MAP event, or raise BinlogDamaged."""
    at = HEADER.size + 8
    if len(event) > at:
        schema = event[at + 1 : at + 1 + event[at]]
        at += event[at] + 2
        if len(event) > at + 1 + event[at]:
            table = event[at + 1 : at + 1 + event[at]]
            return f"{schema.decode('utf-8', 'replace')}.{table.decode('utf-8', 'replace')}"
    raise BinlogDamaged(f"a TABLE_MAP event of {len(event)} bytes is too short")
