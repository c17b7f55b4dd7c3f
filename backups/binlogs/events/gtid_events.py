"""What does the event in front of a transaction say: which one it is, and when it was committed?

MySQL writes GTID, GTID_TAGGED (8.3 and later) or ANONYMOUS_GTID, with the microsecond of the commit
and the length of the whole transaction; MariaDB its own GTID event, with neither.
"""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass
from functools import lru_cache

from backups.binlogs.events.header import HEADER, EventHeader, EventType
from backups.exceptions import BinlogDamaged

MICROSECONDS = 1_000_000
# A database, and every page, has dates before the year 10000 only.
LATEST_MICROS = 253_400_000_000 * MICROSECONDS
BODY = HEADER.size
_MYSQL = struct.Struct("<B16sq")
_MARIADB = struct.Struct("<QIB")
# After MySQL's fixed part: a mark, last committed and sequence number, then the moments.
_MYSQL_MOMENTS = BODY + _MYSQL.size + 1 + 16
_MOMENT_BYTES = 7
# The highest bit of the first moment: the original one follows.
_TWO_MOMENTS = 1 << 55
# Of MariaDB's flags: one statement that no COMMIT follows.
_STANDALONE = 0x01

GTID_TYPES = frozenset(
    {
        EventType.GTID,
        EventType.ANONYMOUS_GTID,
        EventType.GTID_TAGGED,
        EventType.MARIADB_GTID,
    }
)


@dataclass(frozen=True, slots=True)
class GtidEvent:
    """The first event of a transaction."""

    # ``uuid:number``, ``uuid:tag:number`` or ``domain-server-number``; blank for an anonymous one.
    gtid: str
    # Microseconds since the epoch; None where only the header's second is known.
    commit_micros: int | None
    # Of the whole transaction, with this event; 0 is unknown.
    length: int
    # MariaDB's: no BEGIN or COMMIT around its statement.
    standalone: bool = False


def read_gtid_event(header: EventHeader, event: bytes | bytearray | memoryview) -> GtidEvent:
    """Read a whole event of ``GTID_TYPES``, or raise BinlogDamaged."""
    try:
        if header.type == EventType.MARIADB_GTID:
            return _read_mariadb(header, event)
        if header.type == EventType.GTID_TAGGED:
            found = _read_tagged(event)
        else:
            found = _read_mysql(header, event)
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise BinlogDamaged(f"a GTID event of {header.size} bytes is too short: {error}") from error
    if found.commit_micros is not None and found.commit_micros > LATEST_MICROS:
        raise BinlogDamaged(f"a commit time of {found.commit_micros} microseconds is no date")
    return found


def _read_mariadb(header: EventHeader, event: bytes | bytearray | memoryview) -> GtidEvent:
    number, domain, flags = _MARIADB.unpack_from(event, BODY)
    return GtidEvent(f"{domain}-{header.server_id}-{number}", None, 0, bool(flags & _STANDALONE))


def _read_mysql(header: EventHeader, event: bytes | bytearray | memoryview) -> GtidEvent:
    _flags, source, number = _MYSQL.unpack_from(event, BODY)
    gtid = f"{uuid_text(source)}:{number}" if header.type == EventType.GTID else ""
    # 5.7 has no moments, and may have a checksum in their place.
    if len(event) < _MYSQL_MOMENTS + _MOMENT_BYTES + 1 + 4:
        return GtidEvent(gtid, None, 0)
    moment = int.from_bytes(event[_MYSQL_MOMENTS : _MYSQL_MOMENTS + _MOMENT_BYTES], "little")
    after = _MYSQL_MOMENTS + _MOMENT_BYTES * (2 if moment & _TWO_MOMENTS else 1)
    length, _after = read_packed_integer(event, after)
    return GtidEvent(gtid, moment & ~_TWO_MOMENTS, length)


def _read_tagged(event: bytes | bytearray | memoryview) -> GtidEvent:
    """Read the numbered fields: 1 the uuid, 2 the number, 3 the tag, 6 the moment, 8 the length."""
    at = BODY
    for _ in ("version", "size", "last id that matters"):
        _value, at = read_variable_integer(event, at)
    source, number, tag, moment, length = b"", 0, "", 0, 0
    for expected in range(9):
        field, following = read_variable_integer(event, at)
        if field != expected:
            # Only the original moment may be missing.
            continue
        at = following
        if field == 1:
            values = []
            for _ in range(16):
                value, at = read_variable_integer(event, at)
                values.append(value & 0xFF)
            source = bytes(values)
        elif field == 3:
            size, at = read_variable_integer(event, at)
            tag = bytes(event[at : at + size]).decode("ascii")
            at += size
        else:
            value, at = read_variable_integer(event, at)
            number = _signed(value) if field == 2 else number
            moment = value if field == 6 else moment
            length = value if field == 8 else length
    if len(source) != 16:
        raise IndexError("it names no server")
    tag_part = f"{tag}:" if tag else ""
    return GtidEvent(f"{uuid_text(source)}:{tag_part}{number}", moment, length)


@lru_cache(maxsize=256)
def uuid_text(source: bytes) -> str:
    """Return a server's uuid as people write it."""
    return str(uuid.UUID(bytes=source))


def read_packed_integer(content: bytes | bytearray | memoryview, at: int) -> tuple[int, int]:
    """Read a length-encoded integer of the protocol; return it and the offset after it."""
    first = content[at]
    if first < 251:
        return first, at + 1
    size = {252: 2, 253: 3, 254: 8}.get(first)
    if size is None or at + 1 + size > len(content):
        raise IndexError(f"no length at offset {at}")
    return int.from_bytes(content[at + 1 : at + 1 + size], "little"), at + 1 + size


def read_variable_integer(content: bytes | bytearray | memoryview, at: int) -> tuple[int, int]:
    """Read an integer whose first byte's trailing ones count the bytes that follow."""
    first = content[at]
    if not first & 1:
        return first >> 1, at + 1
    more = ((~first & (first + 1)).bit_length() - 1) if first != 0xFF else 8
    end = at + 1 + more
    if end > len(content):
        raise IndexError(f"no integer at offset {at}")
    whole = int.from_bytes(content[at:end], "little")
    # Nine bytes: the first is only the count.
    return (whole >> 8 if more == 8 else whole >> (more + 1)), end


def _signed(value: int) -> int:
    return (value >> 1) ^ -(value & 1)


def pack_variable_integer(value: int) -> bytes:
    """Return what ``read_variable_integer`` reads."""
    more = next((n for n in range(8) if value < 1 << (7 * (n + 1))), 8)
    if more == 8:
        return b"\xff" + value.to_bytes(8, "little")
    return ((value << (more + 1)) | ((1 << more) - 1)).to_bytes(more + 1, "little")
