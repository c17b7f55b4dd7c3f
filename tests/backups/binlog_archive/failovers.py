"""Binlogs of two servers of one topology, as the second writes them after it took over."""

from __future__ import annotations

import struct
import uuid
from datetime import UTC, datetime, timedelta

from backups.binlogs.events.gtid_lists import encode_list, encode_set
from backups.binlogs.events.gtids import GtidPosition, GtidSet
from backups.binlogs.events.header import EventType
from tests.backups.binlog_archive.spooled import SECOND, T0
from tests.backups.binlogs.made import (
    SOURCE,
    event,
    file_of,
    mariadb_gtid,
    query,
    rotate,
    table_map,
    xid,
)

_WRITE_ROWS = 30
# What each transaction of MySQL inserts into.
TABLE = ("shop", "a")
# The server that takes over.
OTHER = uuid.UUID("ef532ada-ec76-11f1-a223-02fc00000002")


def committed(gtid: str, second: int) -> list[bytes]:
    """A transaction of either flavour, so many seconds after T0."""
    if ":" not in gtid:
        domain, server, number = (int(word) for word in gtid.split("-"))
        at = int((T0 + second * SECOND).timestamp())
        head = mariadb_gtid(number, domain=domain, second=at, server_id=server)
        return [head, query(b"UPDATE", second=at), xid(at)]
    source, _, count = gtid.partition(":")
    moment = T0 + second * SECOND - datetime.fromtimestamp(0, UTC)
    body = struct.pack("<B16sqBqq", 0, uuid.UUID(source).bytes, int(count), 2, 0, 1)
    body += (moment // timedelta(microseconds=1)).to_bytes(7, "little")
    body += b"\xfe" + (0).to_bytes(8, "little")
    rows = event(_WRITE_ROWS, (1).to_bytes(6, "little") + bytes(8))
    return [event(EventType.GTID, body), query(b"BEGIN"), table_map(1, *TABLE), rows, xid()]


def file_with(before: str, *gtids: str, ended: bool = False, second: int = 1) -> bytes:
    """A file that begins after ``before``; each transaction a second after the one before."""
    mariadb = ":" not in (before or gtids[0])
    listed = (
        event(EventType.MARIADB_GTID_LIST, encode_list(GtidPosition.parse(before)))
        if mariadb
        else event(EventType.PREVIOUS_GTIDS, encode_set(GtidSet.parse(before)))
    )
    events = [part for at, gtid in enumerate(gtids, second) for part in committed(gtid, at)]
    return file_of(listed, *events, *([rotate()] if ended else []))


def of_a(*numbers: int) -> list[str]:
    return [f"{SOURCE}:{number}" for number in numbers]


def of_b(*numbers: int) -> list[str]:
    return [f"{OTHER}:{number}" for number in numbers]
