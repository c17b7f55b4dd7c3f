"""Which events does a source make for the stream alone? They are in no file."""

from __future__ import annotations

import struct
import zlib

from backups.binlogs.events.gtid_lists import encode_list
from backups.binlogs.events.gtids import GtidPosition
from backups.binlogs.events.header import (
    CHECKSUM_BYTES,
    FLAG_ARTIFICIAL,
    HEADER,
    LOG_POS_RANGE,
    EventType,
    clear_in_use,
)

# Offset of the moment at which the server started, in a whole format description.
_CREATED = HEADER.size + 2 + 50
_CREATED_BYTES = 4


def rotate(file: str, position: int, server_id: int, *, checksummed: bool) -> bytes:
    """Name the file that follows."""
    body = struct.pack("<Q", position) + file.encode()
    return _event(EventType.ROTATE, body, server_id, 0, FLAG_ARTIFICIAL, checksummed)


def heartbeat(file: str, position: int, server_id: int, *, checksummed: bool) -> bytes | None:
    """Say that there is nothing to say; None where the event has no room for the position.

    A MySQL takes a smaller position than its own for an error, and stops.
    """
    if position >= LOG_POS_RANGE:
        return None
    return _event(EventType.HEARTBEAT, file.encode(), server_id, position, 0, checksummed)


def gtid_list(position: GtidPosition, server_id: int, *, checksummed: bool) -> bytes:
    """Name MariaDB's position where a stream begins within a file."""
    kind, body = EventType.MARIADB_GTID_LIST, encode_list(position)
    return _event(kind, body, server_id, 0, FLAG_ARTIFICIAL, checksummed)


def description_within(event: bytes) -> bytes:
    """Return a file's format description as it is sent where the stream begins behind it.

    A server that reads of a start would drop temporary tables.
    """
    content = bytearray(clear_in_use(event))
    content[13:17] = bytes(4)
    content[_CREATED : _CREATED + _CREATED_BYTES] = bytes(_CREATED_BYTES)
    content[-CHECKSUM_BYTES:] = _checksum(content[:-CHECKSUM_BYTES])
    return bytes(content)


def _event(
    kind: int, body: bytes, server_id: int, log_pos: int, flags: int, checksummed: bool
) -> bytes:
    size = HEADER.size + len(body) + (CHECKSUM_BYTES if checksummed else 0)
    event = HEADER.pack(0, kind, server_id, size, log_pos, flags) + body
    return event + _checksum(event) if checksummed else event


def _checksum(content: bytes | bytearray) -> bytes:
    return zlib.crc32(content).to_bytes(CHECKSUM_BYTES, "little")
