"""Where in a binary log does a transaction begin and end?

Bytes may be cut, and a replay may stop, only between transactions. One begins with a GTID event; it
ends with XID, XA_PREPARE, TRANSACTION_PAYLOAD, a COMMIT or ROLLBACK as a statement, or, where
neither BEGIN nor XA START came, with its only statement. What the end of a file leaves open was
never committed.
"""

from __future__ import annotations

from typing import NamedTuple

from backups.binlogs.events.gtid_events import (
    GTID_TYPES,
    MICROSECONDS,
    GtidEvent,
    read_gtid_event,
)
from backups.binlogs.events.header import FIRST_OFFSET, EventHeader, EventType
from backups.binlogs.events.queries import (
    Query,
    begins_transaction,
    ends_transaction,
    is_silent,
    read_query,
)

# A server writes it where it lost events; nothing of its transaction follows.
INCIDENT = 26
# So much of a statement is kept: enough to name what a DDL did.
STATEMENT_BYTES = 240
_ENDS = frozenset({EventType.XID, EventType.XA_PREPARE, EventType.TRANSACTION_PAYLOAD, INCIDENT})
_QUERIES = frozenset({EventType.QUERY, EventType.MARIADB_QUERY_COMPRESSED})
# They are outside transactions, whatever came before.
_BETWEEN = frozenset(
    {
        EventType.FORMAT_DESCRIPTION,
        EventType.PREVIOUS_GTIDS,
        EventType.MARIADB_GTID_LIST,
        EventType.ROTATE,
        EventType.STOP,
    }
)
# The types that begin or end something: an event of any other type need not be fed.
DECISIVE_TYPES = frozenset({*GTID_TYPES, *_ENDS, *_QUERIES, *_BETWEEN, 161, 164})


class Transaction(NamedTuple):
    """A whole transaction of one file."""

    # Offsets in the file: of its first byte, and after its last.
    start: int
    end: int
    # Blank for an anonymous one.
    gtid: str
    # Microseconds since the epoch, by the source's clock. MariaDB has only whole seconds.
    commit_micros: int
    # Of the server that made it, which need not be the one that sent it.
    server_id: int
    # The beginning of its first statement that is in it as text: a DDL, or all of it where the
    # source's format is STATEMENT. Blank where it has only rows.
    statement: bytes


class TransactionTracker:
    """Follows the events of one file in their order."""

    def __init__(self, checksummed: bool, start: int = FIRST_OFFSET) -> None:
        """``checksummed``: what the file's first event says. ``start``: of the first event fed."""
        self._checksummed = checksummed
        # Everything before it belongs to whole transactions or to none.
        self.last_boundary = start
        self._gtid: GtidEvent | None = None
        self._header: EventHeader | None = None
        self._lone = True
        self._statement = b""

    @property
    def inside(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return self._gtid is not None

    @property
    def may_omit_end(self) -> bool:
        """Whether the next event may say 0 where it should say at which offset it ends.

        Since MariaDB 11.4 events have their checksum before they have their place: those in the
        middle of a transaction do not know it. Source: MDEV-31273.
        """
        return (
            self.inside and self._header is not None and self._header.type == EventType.MARIADB_GTID
        )

    def feed(
        self, header: EventHeader, event: bytes | bytearray | memoryview, start: int
    ) -> Transaction | None:
        """Take the next event, at ``start`` of the file; return the transaction that ended.

        Events whose type is not in ``DECISIVE_TYPES`` may be left out.
        """
        kind = header.type
        if kind not in DECISIVE_TYPES:
            return None
        if kind in GTID_TYPES:
            # An open one has ended in a way that is not known here: nothing follows it.
            ended = self._end(self._header, start) if self._header and self.inside else None
            self._begin(header, event, start)
            return ended
        if self._gtid is None or kind in _BETWEEN:
            self._gtid = None
            self.last_boundary = start + header.size
            return None
        if kind in _ENDS:
            return self._end(header, start + header.size)
        if kind in _QUERIES:
            return self._take_query(header, read_query(header, event, self._checksummed), start)
        return None

    def _begin(
        self, header: EventHeader, event: bytes | bytearray | memoryview, start: int
    ) -> None:
        self._gtid = read_gtid_event(header, event)
        self._header = header
        # MariaDB's own GTID event is its BEGIN as well, where the transaction needs one.
        self._lone = self._gtid.standalone or header.type != EventType.MARIADB_GTID
        self._statement = b""
        self.last_boundary = start

    def _take_query(self, header: EventHeader, query: Query, start: int) -> Transaction | None:
        statement = query.statement
        if begins_transaction(statement):
            self._lone = False
            return None
        if not self._statement and (self._lone or not is_silent(statement)):
            self._statement = statement[:STATEMENT_BYTES]
        if self._lone:
            return self._end(header, start + header.size, query.seconds)
        if ends_transaction(statement):
            return self._end(header, start + header.size)
        return None

    def _end(self, header: EventHeader, end: int, seconds: int = 0) -> Transaction:
        gtid, first = self._gtid, self._header
        assert gtid is not None and first is not None
        micros = gtid.commit_micros
        if micros is None:
            micros = max(first.timestamp, header.timestamp + seconds) * MICROSECONDS
        start, self.last_boundary, self._gtid = self.last_boundary, end, None
        return Transaction(start, end, gtid.gtid, micros, first.server_id, self._statement)
