"""What does a QUERY event say: which statement, in which schema, and does it end a transaction?"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from backups.binlogs.events.header import HEADER, EventHeader, EventType
from backups.exceptions import BinlogDamaged

# Thread, seconds it took, length of the schema's name, error, length of the status variables.
_FIXED = struct.Struct("<IIBHH")
# Statements inside a transaction that change nothing by themselves.
_SILENT = (b"BEGIN", b"COMMIT", b"ROLLBACK", b"SAVEPOINT", b"XA ", b"RELEASE SAVEPOINT")
# What a compressed statement may become: a server's largest packet.
_LARGEST_STATEMENT = 1 << 30


class Query(NamedTuple):
    """A statement as the source wrote it."""

    schema: str
    # In the session's character set.
    statement: bytes
    # Whole seconds from its beginning to its end.
    seconds: int


def read_query(
    header: EventHeader, event: bytes | bytearray | memoryview, checksummed: bool
) -> Query:
    """Read a whole QUERY or MariaDB's QUERY_COMPRESSED, or raise BinlogDamaged."""
    end = len(event) - (4 if checksummed else 0)
    if end < HEADER.size + _FIXED.size:
        raise BinlogDamaged(f"a QUERY event of {len(event)} bytes is too short")
    _thread, seconds, schema_length, _error, status = _FIXED.unpack_from(event, HEADER.size)
    at = HEADER.size + _FIXED.size + status
    text = at + schema_length + 1
    if text > end:
        raise BinlogDamaged(f"a QUERY event of {len(event)} bytes ends in its schema's name")
    schema = bytes(event[at : at + schema_length]).decode("utf-8", "replace")
    statement = bytes(event[text:end])
    if header.type == EventType.MARIADB_QUERY_COMPRESSED:
        statement = decompress(statement)
    return Query(schema, statement, seconds)


def decompress(content: bytes) -> bytes:
    """Return what MariaDB compressed: a byte with the length of the size, the size, zlib."""
    # Bits 4 to 6 are the algorithm, 0 is zlib; the lowest three are the length.
    size_bytes = content[0] & 0x07 if content else 0
    if not content or content[0] & 0x70 or not 1 <= size_bytes <= 4:
        raise BinlogDamaged("a compressed event does not begin with its size")
    size = int.from_bytes(content[1 : 1 + size_bytes], "big")
    if size > _LARGEST_STATEMENT:
        raise BinlogDamaged(f"a compressed event claims to become {size} bytes long")
    try:
        plain = zlib.decompressobj().decompress(content[1 + size_bytes :], size)
    except zlib.error as error:
        raise BinlogDamaged(f"a compressed event cannot be read: {error}") from error
    if len(plain) != size:
        raise BinlogDamaged(f"a compressed event became {len(plain)} bytes instead of {size}")
    return plain


def begins_transaction(statement: bytes) -> bool:
    """Whether a COMMIT, XID or XA_PREPARE must follow."""
    return statement == b"BEGIN" or statement.startswith((b"XA START", b"XA BEGIN"))


def ends_transaction(statement: bytes) -> bool:
    """Whether a statement inside a transaction is its last; ROLLBACK TO a savepoint is not."""
    if len(statement) > 400:
        return False
    start = statement[:12].upper()
    if start.startswith((b"COMMIT", b"XA COMMIT", b"XA ROLLBACK")):
        return True
    return start.startswith(b"ROLLBACK") and not start.startswith(b"ROLLBACK TO ")


def is_silent(statement: bytes) -> bool:
    """Whether a statement inside a transaction changes nothing by itself."""
    return statement.startswith(_SILENT)
