"""What does an index look like as bytes?

A mark, then one zstd frame: the length of a JSON object, the object (offsets, names, statements),
and a column of little-endian numbers per field. Columns of like numbers compress well: about 15
bytes per transaction.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

import zstandard

from backups.binlogs.events.gtids import GtidPosition, Gtids, GtidSet, gtids_text, parse_gtids
from backups.binlogs.events.transactions import Transaction
from backups.exceptions import BinlogDamaged

MARK = b"MOORING BINLOG INDEX 1\n"
_LARGEST = 1 << 30
_LENGTH_BYTES = 4
# The columns in their order: one value per transaction, then one per table of a transaction.
_PER_TRANSACTION = ("starts", "ends", "moments", "sources", "numbers", "table_counts")
_PER_TABLE = ("table_numbers", "inserts", "updates", "deletes", "changed_bytes")
_CODES = dict.fromkeys((*_PER_TRANSACTION, *_PER_TABLE), "Q")


def _column() -> array[int]:
    return array("Q")


@dataclass(slots=True)
class Columns:
    """The content of an index, by transaction in the order of the file."""

    # Offsets in the file: of the piece's first byte, and after its last.
    start: int
    end: int = 0
    gtids_before: str = ""
    # ``uuid``, ``uuid:tag`` or ``domain-server``; blank for anonymous transactions.
    source_names: list[str] = field(default_factory=list)
    source_numbers: dict[str, int] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    # By transaction: what is kept of its statement, and which of them are DDL.
    statements: dict[int, str] = field(default_factory=dict)
    ddl: set[int] = field(default_factory=set)

    starts: array[int] = field(default_factory=_column)
    ends: array[int] = field(default_factory=_column)
    # Of the commit, in microseconds since the epoch.
    moments: array[int] = field(default_factory=_column)
    sources: array[int] = field(default_factory=_column)
    numbers: array[int] = field(default_factory=_column)
    table_counts: array[int] = field(default_factory=_column)

    table_numbers: array[int] = field(default_factory=_column)
    # In events, each of which may hold many rows.
    inserts: array[int] = field(default_factory=_column)
    updates: array[int] = field(default_factory=_column)
    deletes: array[int] = field(default_factory=_column)
    changed_bytes: array[int] = field(default_factory=_column)

    def add(self, transaction: Transaction, touched: Iterable[list[int]]) -> None:
        """Take one more transaction, with the counts of its tables."""
        source, number = split_gtid(transaction.gtid)
        if source not in self.source_numbers:
            self.source_numbers[source] = len(self.source_names)
            self.source_names.append(source)
        self.starts.append(transaction.start)
        self.ends.append(transaction.end)
        self.moments.append(transaction.commit_micros)
        self.sources.append(self.source_numbers[source])
        self.numbers.append(number)
        tables = 0
        for table, inserts, updates, deletes, size in touched:
            self.table_numbers.append(table)
            self.inserts.append(inserts)
            self.updates.append(updates)
            self.deletes.append(deletes)
            self.changed_bytes.append(size)
            tables += 1
        self.table_counts.append(tables)

    def keep_statement(self, text: str, ddl: bool) -> None:
        """Keep what is shown of the last transaction's statement."""
        last = len(self.starts) - 1
        self.statements[last] = text
        if ddl:
            self.ddl.add(last)

    def gtid(self, transaction: int) -> str:
        """Return a transaction's GTID; blank for an anonymous one."""
        source = self.source_names[self.sources[transaction]]
        mark = ":" if ":" in source or source.count("-") > 1 else "-"
        return f"{source}{mark}{self.numbers[transaction]}" if source else ""

    def gtids_after(self, count: int) -> str:
        """Return the set or position after the first ``count`` transactions."""
        gtids = self._before()
        for transaction in range(count):
            if gtid := self.gtid(transaction):
                gtids.add(gtid)
        return gtids_text(gtids)

    def _before(self) -> Gtids:
        if self.gtids_before:
            return parse_gtids(self.gtids_before)
        mariadb = any(name.count("-") == 1 for name in self.source_names)
        return GtidPosition() if mariadb else GtidSet()


def split_gtid(gtid: str) -> tuple[str, int]:
    """Return a GTID's source and number."""
    source, _, number = gtid.rpartition(":" if ":" in gtid else "-")
    return source, int(number or 0)


def pack_index(columns: Columns) -> bytes:
    """Return an index as bytes."""
    head = {
        "start": columns.start,
        "end": columns.end,
        "gtids_before": columns.gtids_before,
        "sources": columns.source_names,
        "tables": columns.tables,
        "statements": [[number, text] for number, text in columns.statements.items()],
        "ddl": sorted(columns.ddl),
        "transactions": len(columns.starts),
        "table_rows": len(columns.table_numbers),
    }
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    parts = [len(text).to_bytes(_LENGTH_BYTES, "little"), text]
    parts += [_stored(getattr(columns, name)) for name in _CODES]
    return MARK + zstandard.ZstdCompressor(level=3).compress(b"".join(parts))


def unpack_index(content: bytes) -> Columns:
    """Read an index, or raise BinlogDamaged."""
    if not content.startswith(MARK):
        raise BinlogDamaged("this is no index of a binlog, or one of a later Mooring")
    try:
        plain = _decompress(content[len(MARK) :])
        length = int.from_bytes(plain[:_LENGTH_BYTES], "little")
        head = json.loads(plain[_LENGTH_BYTES : _LENGTH_BYTES + length])
        columns = Columns(head["start"], head["end"], head["gtids_before"])
        columns.source_names, columns.tables = list(head["sources"]), list(head["tables"])
        columns.source_numbers = {name: at for at, name in enumerate(columns.source_names)}
        columns.statements = {int(number): str(text) for number, text in head["statements"]}
        columns.ddl = set(head["ddl"])
        counts = [int(head["transactions"])] * len(_PER_TRANSACTION)
        counts += [int(head["table_rows"])] * len(_PER_TABLE)
        _load(columns, plain[_LENGTH_BYTES + length :], counts)
    except (zstandard.ZstdError, ValueError, KeyError, TypeError) as error:
        raise BinlogDamaged(f"the index of a binlog cannot be read: {error}") from error
    _check(columns)
    return columns


def _decompress(content: bytes) -> bytes:
    if zstandard.frame_content_size(content) > _LARGEST:
        raise BinlogDamaged("the index of a binlog claims to be larger than 1 GiB")
    return zstandard.ZstdDecompressor().decompress(content)


def _load(columns: Columns, content: bytes, counts: list[int]) -> None:
    offsets = [0, *accumulate(8 * count for count in counts)]
    if len(content) != offsets[-1] or min(counts) < 0:
        raise ValueError(f"its columns have {len(content)} bytes instead of {offsets[-1]}")
    for name, start, end in zip(_CODES, offsets, offsets[1:], strict=False):
        column = _column()
        column.frombytes(content[start:end])
        if sys.byteorder == "big":
            column.byteswap()
        setattr(columns, name, column)


def _stored(column: array[int]) -> bytes:
    if sys.byteorder == "big":
        column = array("Q", column)
        column.byteswap()
    return column.tobytes()


def _check(columns: Columns) -> None:
    """Refuse numbers that name nothing, so that a reader needs no checks."""
    numbers = columns.statements.keys() | columns.ddl
    fits = (
        all(number < len(columns.source_names) for number in columns.sources)
        and all(number < len(columns.tables) for number in columns.table_numbers)
        and sum(columns.table_counts) == len(columns.table_numbers)
        and all(0 <= number < len(columns.starts) for number in numbers)
    )
    if not fits:
        raise BinlogDamaged("the index of a binlog names what is not in it")
