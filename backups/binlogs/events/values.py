"""Which value are the bytes of a column in a row image?"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from decimal import Decimal

from pymysql.charset import charset_by_id

from backups.binlogs.events.decimals import read_decimal
from backups.binlogs.events.json_values import json_text
from backups.binlogs.events.queries import inflate
from backups.binlogs.events.table_map import ColumnType, MappedColumn
from backups.binlogs.events.temporal import (
    fraction_size,
    read_date,
    read_datetime,
    read_time,
    read_timestamp,
)
from backups.exceptions import BinlogDamaged

BINARY_COLLATION = 63
_INTEGERS = {
    ColumnType.TINY: 1,
    ColumnType.SHORT: 2,
    ColumnType.INT24: 3,
    ColumnType.LONG: 4,
    ColumnType.LONGLONG: 8,
}
_TEMPORAL2 = {
    ColumnType.TIMESTAMP2: (4, read_timestamp),
    ColumnType.DATETIME2: (5, read_datetime),
    ColumnType.TIME2: (3, read_time),
}
# Their length is in as many bytes as their metadata says.
_BLOBS = {249, 250, 251, 252, ColumnType.GEOMETRY, ColumnType.VECTOR, ColumnType.JSON}


@dataclass(frozen=True, slots=True)
class NotDecoded:
    """A value that is there and cannot be shown: why."""

    reason: str

    def __str__(self) -> str:
        return f"not decoded: {self.reason}"


# Text is str where the event says its character set, and bytes where it does not.
Value = None | int | float | Decimal | str | bytes | NotDecoded


def read_value(column: MappedColumn, content: bytes, at: int) -> tuple[Value, int]:
    """Return the value at an offset, and the offset after it; or raise BinlogDamaged."""
    try:
        value, after = _read(column, content, at)
    except (struct.error, IndexError, OverflowError) as error:
        raise BinlogDamaged(f"a value of type {column.type} cannot be read") from error
    if after > len(content):
        raise BinlogDamaged(f"a value of type {column.type} ends behind its row event")
    return value, after


def _read(column: MappedColumn, content: bytes, at: int) -> tuple[Value, int]:
    kind, metadata = column.type, column.metadata
    if kind in _INTEGERS:
        end = at + _INTEGERS[ColumnType(kind)]
        return int.from_bytes(content[at:end], "little", signed=not column.unsigned), end
    if kind in _TEMPORAL2:
        size, read = _TEMPORAL2[ColumnType(kind)]
        end = at + size + fraction_size(metadata)
        return read(content[at:end], metadata), end
    if kind in _BLOBS or kind == ColumnType.MARIADB_BLOB_COMPRESSED:
        return _read_long(column, content, at, metadata)
    if kind in (ColumnType.VARCHAR, ColumnType.VAR_STRING, ColumnType.MARIADB_VARCHAR_COMPRESSED):
        return _read_long(column, content, at, 2 if metadata > 255 else 1)
    if kind == ColumnType.STRING:
        return _read_long(column, content, at, 2 if metadata > 255 else 1)
    return _read_other(column, content, at)


def _read_long(column: MappedColumn, content: bytes, at: int, width: int) -> tuple[Value, int]:
    """Read a length and so many bytes."""
    start = at + width
    end = start + int.from_bytes(content[at:start], "little")
    value = content[start:end]
    if end > len(content):
        raise IndexError("ends behind its event")
    if column.type == ColumnType.JSON:
        return json_text(value), end
    if column.type in (
        ColumnType.MARIADB_BLOB_COMPRESSED,
        ColumnType.MARIADB_VARCHAR_COMPRESSED,
    ):
        value = _expand(value)
    return _text(column, value), end


def _expand(value: bytes) -> bytes:
    """Return the content of a MariaDB COMPRESSED column: a byte, then as it is or compressed."""
    return inflate(value) if value and value[0] else value[1:]


def _text(column: MappedColumn, value: bytes) -> Value:
    if column.collation in (None, BINARY_COLLATION):
        return value
    try:
        return value.decode(charset_by_id(column.collation).encoding)
    except (KeyError, LookupError, UnicodeDecodeError):
        return value


def _read_other(column: MappedColumn, content: bytes, at: int) -> tuple[Value, int]:
    kind, metadata = column.type, column.metadata
    if kind == ColumnType.NEWDECIMAL:
        value, size = read_decimal(content[at : at + 40], metadata >> 8, metadata & 0xFF)
        return value, at + size
    if kind == ColumnType.FLOAT:
        return struct.unpack_from("<f", content, at)[0], at + 4
    if kind == ColumnType.DOUBLE:
        return struct.unpack_from("<d", content, at)[0], at + 8
    if kind == ColumnType.YEAR:
        return 1900 + content[at] if content[at] else 0, at + 1
    if kind in (ColumnType.DATE, ColumnType.NEWDATE):
        return read_date(content[at : at + 3]), at + 3
    if kind in (ColumnType.ENUM, ColumnType.SET):
        end = at + (metadata & 0xFF)
        return int.from_bytes(content[at:end], "little"), end
    if kind == ColumnType.BIT:
        end = at + (metadata >> 8) + (1 if metadata & 0xFF else 0)
        return int.from_bytes(content[at:end], "big"), end
    sizes = {ColumnType.TIMESTAMP: 4, ColumnType.TIME: 3, ColumnType.DATETIME: 8}
    for old, size in sizes.items():
        if kind == old:
            return NotDecoded("a temporal type of before MySQL 5.6"), at + size
    raise BinlogDamaged(f"a column of type {kind} is not known here")
