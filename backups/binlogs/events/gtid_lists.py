"""Which transactions came before a binlog file? Read, and write, the event that says so.

PREVIOUS_GTIDS holds a set of MySQL, in the encoding that COM_BINLOG_DUMP_GTID uses as well;
GTID_LIST a position of MariaDB, with the last number of every server.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator

from backups.binlogs.events.gtid_events import (
    pack_variable_integer,
    read_variable_integer,
    uuid_text,
)
from backups.binlogs.events.gtids import GtidPosition, GtidSet, Interval, merged
from backups.binlogs.events.header import CHECKSUM_BYTES, HEADER
from backups.exceptions import BinlogDamaged

_ENTRY = struct.Struct("<IIQ")
# The four highest bits of a list's count are flags.
_COUNT_MASK = (1 << 28) - 1
# The first and the last byte of the count where the set can hold tags.
_TAGGED = 1


def read_previous_gtids(event: bytes, checksummed: bool) -> GtidSet:
    """Read a whole PREVIOUS_GTIDS event, or raise BinlogDamaged."""
    return decode_set(_body(event, checksummed))


def read_gtid_list(event: bytes, checksummed: bool) -> GtidPosition:
    """Read a whole GTID_LIST event, or raise BinlogDamaged."""
    body = _body(event, checksummed)
    count = int.from_bytes(body[:4], "little") & _COUNT_MASK
    if len(body) < 4 + count * _ENTRY.size:
        raise BinlogDamaged(f"a GTID_LIST of {count} entries has only {len(body)} bytes")
    entries = _ENTRY.iter_unpack(body[4 : 4 + count * _ENTRY.size])
    position = GtidPosition()
    for domain, server, number in entries:
        position.add(f"{domain}-{server}-{number}")
    return position


def encode_list(position: GtidPosition) -> bytes:
    """Return the body of a GTID_LIST event; servers fill up an empty one to six bytes."""
    entries = [_ENTRY.pack(*entry) for entry in position.entries()]
    return len(entries).to_bytes(4, "little") + (b"".join(entries) or bytes(2))


def decode_set(content: bytes) -> GtidSet:
    """Read MySQL's encoding of a set, with or without tags, or raise BinlogDamaged."""
    if len(content) < 8:
        raise BinlogDamaged(f"a set of GTIDs in {len(content)} bytes is too short")
    tagged = content[7] == _TAGGED
    count = int.from_bytes(content[1:7] if tagged else content[:8], "little")
    found: dict[str, list[Interval]] = {}
    try:
        at = 8
        for _ in range(count):
            key, at = _decode_key(content, at, tagged)
            (size,) = struct.unpack_from("<Q", content, at)
            if size * 16 > len(content) - at - 8:
                raise BinlogDamaged(f"a set of GTIDs claims to have {size} intervals of {key}")
            pairs = struct.unpack_from(f"<{2 * size}q", content, at + 8)
            found.setdefault(key, []).extend(zip(pairs[::2], pairs[1::2], strict=True))
            at += 8 + 16 * size
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise BinlogDamaged(f"a set of GTIDs in {len(content)} bytes ends too soon") from error
    return GtidSet({key: merged(intervals) for key, intervals in found.items() if intervals})


def encode_set(gtids: GtidSet) -> bytes:
    """Return MySQL's encoding, with tags only where there are any."""
    keys = list(gtids.intervals())
    tagged = any(":" in key for key, _ in keys)
    if tagged:
        head = bytes([_TAGGED]) + len(keys).to_bytes(6, "little") + bytes([_TAGGED])
    else:
        head = len(keys).to_bytes(8, "little")
    return head + b"".join(_encode_key(key, intervals, tagged) for key, intervals in keys)


def _decode_key(content: bytes, at: int, tagged: bool) -> tuple[str, int]:
    source, at = content[at : at + 16], at + 16
    if len(source) < 16:
        raise IndexError("it names no server")
    if not tagged:
        return uuid_text(source), at
    size, at = read_variable_integer(content, at)
    tag = content[at : at + size].decode("ascii")
    return f"{uuid_text(source)}:{tag}" if tag else uuid_text(source), at + size


def _encode_key(key: str, intervals: list[Interval], tagged: bool) -> bytes:
    source, _, tag = key.partition(":")
    content = uuid.UUID(source).bytes
    content += pack_variable_integer(len(tag)) + tag.encode("ascii") if tagged else b""
    return content + struct.pack("<Q", len(intervals)) + b"".join(_pairs(intervals))


def _pairs(intervals: list[Interval]) -> Iterator[bytes]:
    for start, end in intervals:
        yield struct.pack("<qq", start, end)


def _body(event: bytes, checksummed: bool) -> bytes:
    end = len(event) - (CHECKSUM_BYTES if checksummed else 0)
    return bytes(event[HEADER.size : end])
