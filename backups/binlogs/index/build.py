"""How does a piece of a binlog become its index? In one pass, in chunks, bounded in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from backups.binlogs.events.gtid_lists import read_gtid_list, read_previous_gtids
from backups.binlogs.events.gtids import Gtids, gtids_text
from backups.binlogs.events.header import FIRST_OFFSET, MAGIC, EventHeader, EventType
from backups.binlogs.events.payload import payload_chunks
from backups.binlogs.events.queries import is_silent, read_query
from backups.binlogs.events.transactions import DECISIVE_TYPES, Transaction, TransactionTracker
from backups.binlogs.index.packed import Columns, pack_index
from backups.binlogs.index.scan import RowScanner, TableNumbers
from backups.binlogs.index.statements import is_ddl, kept_statement

_IN_PAYLOAD = frozenset({int(EventType.QUERY)})


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What a row of the database keeps of an index."""

    # Offsets in the file: of the piece's first byte, and after its last whole transaction.
    start: int
    end: int
    transactions: int
    # Microseconds since the epoch; the latest is of any transaction, not of the last. None: empty.
    first_commit_micros: int | None
    latest_commit_micros: int | None
    # Texts of the set or position; blank where it is not known.
    gtids_before: str
    gtids_after: str


class IndexBuilder:
    """Takes the bytes of a piece in their order, and makes its index."""

    def __init__(self, *, checksummed: bool, start: int, gtids_before: str = "") -> None:
        """``start``: the offset of the piece in its file, where no transaction is open.

        ``gtids_before``: those before the piece; the start of a file says them by itself.
        """
        self._checksummed = checksummed
        self._start = start
        self._columns = Columns(start)
        self._before = gtids_before
        self._tables = TableNumbers()
        # At the start of a file its mark comes first.
        self._magic = len(MAGIC) - start if start < FIRST_OFFSET else 0
        first = max(start, FIRST_OFFSET)
        self._tracker = TransactionTracker(checksummed, first)
        self._scanner = RowScanner(self._tables, DECISIVE_TYPES, self._decide, first)
        self._payload_statement = b""

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Take the next bytes, cut anywhere; BinlogDamaged where they are no events."""
        skipped = min(self._magic, len(chunk))
        self._magic -= skipped
        self._scanner.feed(memoryview(chunk)[skipped:] if skipped else chunk)

    def finish(self) -> tuple[bytes, IndexSummary]:
        """Return the packed index and its summary."""
        self._scanner.finish()
        columns = self._columns
        columns.end = self._scanner.offset
        columns.tables = self._tables.names
        columns.gtids_before = self._before
        return pack_index(columns), IndexSummary(
            self._start,
            self._tracker.last_boundary,
            len(columns.starts),
            columns.moments[0] if columns.moments else None,
            max(columns.moments) if columns.moments else None,
            self._before,
            columns.gtids_after(len(columns.starts)),
        )

    def _decide(self, header: EventHeader, event: bytes, start: int) -> None:
        kind = header.type
        if kind == EventType.TRANSACTION_PAYLOAD:
            self._look_inside(event)
        elif kind in (EventType.PREVIOUS_GTIDS, EventType.MARIADB_GTID_LIST):
            self._before = gtids_text(self._stated(header, event))
        transaction = self._tracker.feed(header, event, start)
        if transaction is not None:
            self._add(transaction)
        elif not self._tracker.inside:
            self._scanner.touched.clear()

    def _stated(self, header: EventHeader, event: bytes) -> Gtids:
        if header.type == EventType.PREVIOUS_GTIDS:
            return read_previous_gtids(event, self._checksummed)
        return read_gtid_list(event, self._checksummed)

    def _add(self, transaction: Transaction) -> None:
        touched = self._scanner.touched
        columns = self._columns
        columns.add(transaction, touched.values())
        if statement := transaction.statement or self._payload_statement:
            columns.keep_statement(kept_statement(statement), is_ddl(statement))
        touched.clear()
        self._payload_statement = b""

    def _look_inside(self, event: bytes) -> None:
        def take(header: EventHeader, inner: bytes, _start: int) -> None:
            statement = read_query(header, inner, checksummed=False).statement
            if not self._payload_statement and not is_silent(statement):
                self._payload_statement = statement

        scanner = RowScanner(self._tables, _IN_PAYLOAD, take)
        for chunk in payload_chunks(event):
            scanner.feed(chunk)
        scanner.finish()
        # Table numbers inside are the file's.
        self._scanner.touched.update(scanner.touched)


def build_index(
    chunks: Iterable[bytes | bytearray | memoryview],
    *,
    checksummed: bool,
    start: int,
    gtids_before: str = "",
) -> tuple[bytes, IndexSummary]:
    """Return the packed index of a piece and its summary, or raise BinlogDamaged."""
    builder = IndexBuilder(checksummed=checksummed, start=start, gtids_before=gtids_before)
    for chunk in chunks:
        builder.feed(chunk)
    return builder.finish()
