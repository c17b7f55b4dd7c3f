"""Binary logs to test with: real ones, and events made by hand."""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

from backups.binlogs.events.header import (
    FIRST_OFFSET,
    HEADER,
    MAGIC,
    EventHeader,
    EventType,
    read_header,
)
from backups.binlogs.events.transactions import Transaction, TransactionTracker

# Written by MySQL 9.7 and MariaDB 10.11: every way to end a transaction, row events of every
# version, statement and mixed format, compression, tags, two-phase ALTER, partial images.
REAL = Path(__file__).resolve().parents[2] / "data" / "binlogs"
SOURCE = uuid.UUID("ef532ada-ec76-11f1-a223-02fc00000001")
SECOND = 1_700_000_000


def real(name: str) -> bytes:
    return (REAL / f"{name}.binlog").read_bytes()


def event(kind: int, body: bytes, *, second: int = SECOND, server_id: int = 7) -> bytes:
    """Return a whole event with its checksum; its place in a file is set by ``file_of``."""
    content = HEADER.pack(second, kind, server_id, HEADER.size + len(body) + 4, 0, 0) + body
    return content + zlib.crc32(content).to_bytes(4, "little")


def description(version: bytes = b"9.7.4", algorithm: int = 1) -> bytes:
    body = struct.pack("<H50sIB", 4, version, 0, 19) + bytes(40) + bytes([algorithm])
    return event(EventType.FORMAT_DESCRIPTION, body)


def query(statement: bytes, *, seconds: int = 0, second: int = SECOND) -> bytes:
    body = struct.pack("<IIBHH", 5, seconds, 4, 0, 0) + b"shop\0" + statement
    return event(EventType.QUERY, body, second=second)


def mysql_gtid(number: int, micros: int, *, original: int | None = None, length: int = 0) -> bytes:
    """``original``: when it was committed where it was made, if that is another server."""
    moment = micros | (1 << 55 if original is not None else 0)
    body = struct.pack("<B16sqBqq", 0, SOURCE.bytes, number, 2, 0, 1)
    body += moment.to_bytes(7, "little")
    body += original.to_bytes(7, "little") if original is not None else b""
    body += b"\xfe" + length.to_bytes(8, "little")
    return event(EventType.GTID, body)


def mariadb_gtid(
    number: int, *, domain: int = 0, flags: int = 0, second: int = SECOND, server_id: int = 7
) -> bytes:
    body = struct.pack("<QIB", number, domain, flags) + bytes(6)
    return event(EventType.MARIADB_GTID, body, second=second, server_id=server_id)


def xid(second: int = SECOND) -> bytes:
    return event(EventType.XID, bytes(8), second=second)


def rotate() -> bytes:
    return event(EventType.ROTATE, struct.pack("<Q", 4) + b"bin.000002")


def file_of(*events: bytes) -> bytes:
    """Return a file with a description and the events, each with its right place and checksum."""
    whole = bytearray(MAGIC)
    for one in (description(), *events):
        content = bytearray(one[:-4])
        struct.pack_into("<I", content, 13, (len(whole) + len(one)) % 2**32)
        whole += content + zlib.crc32(content).to_bytes(4, "little")
    return bytes(whole)


def events_of(content: bytes) -> Iterator[tuple[EventHeader, bytes, int]]:
    at = FIRST_OFFSET
    while at < len(content):
        header = read_header(content, at)
        yield header, content[at : at + header.size], at
        at += header.size


def track(content: bytes) -> tuple[list[Transaction], TransactionTracker]:
    """Return a file's transactions, and the tracker after its last event."""
    tracker = TransactionTracker(checksummed=True)
    found = [tracker.feed(header, whole, at) for header, whole, at in events_of(content)]
    return [one for one in found if one is not None], tracker


def table_map(number: int, schema: str, table: str) -> bytes:
    """Return the start of one: enough for its name."""
    body = number.to_bytes(6, "little") + bytes(2)
    for name in (schema, table):
        body += bytes([len(name)]) + name.encode() + b"\0"
    return event(EventType.TABLE_MAP, body + b"\x00\x00")
