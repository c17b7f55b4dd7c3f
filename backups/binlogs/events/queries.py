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
    """Return the rest of an event that MariaDB compressed."""
    # Its first byte has the mark 0x80, the algorithm (0 is zlib), and the length of the size.
    if not content or content[0] & 0xF8 != 0x80:
        raise BinlogDamaged("a compressed event does not begin with its size")
    return inflate(content)


def inflate(content: bytes) -> bytes:
    """Return what MariaDB compressed: a byte with the length of the size, the size, the stream."""
    size_bytes = content[0] & 0x07
    if not 1 <= size_bytes <= 4:
        raise BinlogDamaged("compressed bytes do not begin with their size")
    size = int.from_bytes(content[1 : 1 + size_bytes], "big")
    if size > _LARGEST_STATEMENT:
        raise BinlogDamaged(f"compressed bytes claim to become {size} bytes long")
    # Columns by default have no zlib header around the stream.
    window = -zlib.MAX_WBITS if content[0] & 0x08 else zlib.MAX_WBITS
    try:
        plain = zlib.decompressobj(window).decompress(content[1 + size_bytes :], size or 1)
    except zlib.error as error:
        raise BinlogDamaged(f"compressed bytes cannot be read: {error}") from error
    if len(plain) != size:
        raise BinlogDamaged(f"compressed bytes became {len(plain)} bytes instead of {size}")
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
