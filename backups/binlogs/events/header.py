"""What does an event of a binary log say about itself, and is it whole?

Every event begins with 19 bytes, little-endian: the second of its statement, its type, the server
that made it, its size, the offset in its file at which it ends (modulo 2^32) and its flags. Where
the file's first event says so, it ends with the CRC-32 of all before.

Source: MySQL's and MariaDB's documentation of the binary log's events; docs/binlogs.md.
"""

from __future__ import annotations

import enum
import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from backups.exceptions import BinlogDamaged

# The first bytes of every file.
MAGIC = b"\xfebin"
HEADER = struct.Struct("<IBIIIH")
CHECKSUM_BYTES = 4
# A file's events begin here.
FIRST_OFFSET = len(MAGIC)
# log_pos has 32 bits; a file may be longer.
LOG_POS_RANGE = 1 << 32

# Of the header's flags. In use: set in the first event of a file as long as it is written.
FLAG_IN_USE = 0x01
# Made by the sender for the stream, and in no file.
FLAG_ARTIFICIAL = 0x20


class EventType(enum.IntEnum):
    """The types whose content matters here. Others are stored as they are."""

    QUERY = 2
    STOP = 3
    ROTATE = 4
    FORMAT_DESCRIPTION = 15
    XID = 16
    TABLE_MAP = 19
    HEARTBEAT = 27
    GTID = 33
    ANONYMOUS_GTID = 34
    PREVIOUS_GTIDS = 35
    XA_PREPARE = 38
    TRANSACTION_PAYLOAD = 40
    HEARTBEAT_V2 = 41
    GTID_TAGGED = 42
    MARIADB_ANNOTATE_ROWS = 160
    MARIADB_CHECKPOINT = 161
    MARIADB_GTID = 162
    MARIADB_GTID_LIST = 163
    MARIADB_START_ENCRYPTION = 164
    MARIADB_QUERY_COMPRESSED = 165


class EventHeader(NamedTuple):
    """The first 19 bytes of an event."""

    # Seconds since the epoch, by the source's clock, at which the statement began.
    timestamp: int
    # Of ``EventType``, or one that is not listed there.
    type: int
    server_id: int
    # Of the whole event, with header and checksum.
    size: int
    log_pos: int
    flags: int


@dataclass(frozen=True, slots=True)
class FormatDescription:
    """The first event of a file: who wrote it, and whether its events carry a checksum."""

    server_version: str
    checksummed: bool


def read_header(content: bytes | bytearray | memoryview, offset: int = 0) -> EventHeader:
    """Read the header at ``offset``, or raise BinlogDamaged."""
    if len(content) - offset < HEADER.size:
        raise BinlogDamaged(f"an event of {len(content) - offset} bytes has no whole header")
    header = EventHeader._make(HEADER.unpack_from(content, offset))
    if header.size < HEADER.size:
        raise BinlogDamaged(f"an event claims to be {header.size} bytes long, its header is 19")
    return header


def checksum_fits(event: bytes | bytearray | memoryview, *, in_use: bool = False) -> bool:
    """Whether the CRC-32 at the end of a whole event is that of the bytes before it.

    ``in_use`` for the first event of a file: its in-use flag counts as clear, as it was when the
    checksum was computed.
    """
    view = memoryview(event)
    body, stored = view[:-CHECKSUM_BYTES], view[-CHECKSUM_BYTES:]
    if in_use:
        body = memoryview(clear_in_use(bytes(body)))
    return zlib.crc32(body) == int.from_bytes(stored, "little")


def clear_in_use(event: bytes) -> bytes:
    """Return the event with its in-use flag clear, as it is on the wire."""
    flags = struct.unpack_from("<H", event, 17)[0] & ~FLAG_IN_USE
    return event[:17] + struct.pack("<H", flags) + event[19:]


def read_format_description(event: bytes | bytearray | memoryview) -> FormatDescription:
    """Read a whole FORMAT_DESCRIPTION event, or raise BinlogDamaged.

    Its own checksum is there whatever it says, and is compared: of the other events it decides
    whether they are.
    """
    content = bytes(event)
    fixed = HEADER.size + 2 + 50 + 4 + 1
    # The algorithm is in front of the checksum.
    if len(content) < fixed + 1 + CHECKSUM_BYTES:
        raise BinlogDamaged(f"a format description of {len(content)} bytes is too short")
    algorithm = content[-CHECKSUM_BYTES - 1]
    if algorithm > 1:
        raise BinlogDamaged(f"unknown checksum algorithm {algorithm} in a format description")
    if content[fixed - 1] != HEADER.size:
        raise BinlogDamaged(f"events with headers of {content[fixed - 1]} bytes are not known")
    if not checksum_fits(content, in_use=True):
        raise BinlogDamaged("a format description does not have the checksum it carries")
    version = content[HEADER.size + 2 : HEADER.size + 52].rstrip(b"\0")
    return FormatDescription(version.decode("ascii", "replace"), checksummed=algorithm == 1)
