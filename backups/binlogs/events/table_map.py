"""What are the columns of the table whose rows follow?

A TABLE_MAP event has each column's type and whether it may be NULL. What else it has depends on
``binlog_row_metadata``: MySQL's MINIMAL adds signs and character sets, FULL also the names; MariaDB
by default adds nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from backups.binlogs.events.gtid_events import read_packed_integer
from backups.binlogs.events.header import CHECKSUM_BYTES, HEADER
from backups.exceptions import BinlogDamaged


class ColumnType(enum.IntEnum):
    """The types of columns in a binlog."""

    TINY = 1
    SHORT = 2
    LONG = 3
    FLOAT = 4
    DOUBLE = 5
    TIMESTAMP = 7
    LONGLONG = 8
    INT24 = 9
    DATE = 10
    TIME = 11
    DATETIME = 12
    YEAR = 13
    NEWDATE = 14
    VARCHAR = 15
    BIT = 16
    TIMESTAMP2 = 17
    DATETIME2 = 18
    TIME2 = 19
    MARIADB_BLOB_COMPRESSED = 140
    MARIADB_VARCHAR_COMPRESSED = 141
    VECTOR = 242
    JSON = 245
    NEWDECIMAL = 246
    ENUM = 247
    SET = 248
    BLOB = 252
    VAR_STRING = 253
    STRING = 254
    GEOMETRY = 255


# How many bytes of a type's metadata there are; none for the others.
_ONE_BYTE = {4, 5, 17, 18, 19, 140, 242, 245, 249, 250, 251, 252, 255}
_TWO_BYTES = {15, 16, 141, 246, 247, 248, 253, 254}
# Servers count YEAR among the numbers, and GEOMETRY among the texts.
_NUMERIC = {1, 2, 3, 4, 5, 8, 9, 13, 246}
_CHARACTER = {15, 140, 141, 249, 250, 251, 252, 253, 254, 255}
# Fields of the optional metadata.
_SIGNEDNESS, _DEFAULT_CHARSET, _COLUMN_CHARSET, _COLUMN_NAME = 1, 2, 3, 4
_SIMPLE_PRIMARY_KEY, _PREFIX_PRIMARY_KEY = 8, 9


@dataclass(frozen=True, slots=True)
class MappedColumn:
    """A column as far as the event tells."""

    # Of ``ColumnType``, or one that is not listed there.
    type: int
    # What the type needs to be read: lengths, precision, digits of a second.
    metadata: int
    nullable: bool
    # None: the event does not say.
    unsigned: bool | None = None
    collation: int | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class TableMap:
    """A table as it was when the rows that follow were changed."""

    number: int
    schema: str
    table: str
    columns: tuple[MappedColumn, ...]
    # Positions of the primary key's columns, from 0. Empty: none, or the event does not say.
    primary_key: tuple[int, ...] = field(default=())

    @property
    def name(self) -> str:
        return f"{self.schema}.{self.table}"


def read_table_map(event: bytes, checksummed: bool) -> TableMap:
    """Read a whole TABLE_MAP event, or raise BinlogDamaged."""
    content = event[HEADER.size : len(event) - (CHECKSUM_BYTES if checksummed else 0)]
    try:
        number = int.from_bytes(content[:6], "little")
        schema, at = _read_name(content, 8)
        table, at = _read_name(content, at)
        count, at = read_packed_integer(content, at)
        types = content[at : at + count]
        size, at = read_packed_integer(content, at + count)
        metadata = list(_read_metadata(types, content[at : at + size]))
        nulls, at = content[at + size :], at + size + (count + 7) // 8
        columns = [
            MappedColumn(*_real_type(kind, meta), bool(nulls[place // 8] & 1 << place % 8))
            for place, (kind, meta) in enumerate(zip(types, metadata, strict=True))
        ]
        key = _read_optional(columns, content[at:])
    except (IndexError, ValueError) as error:
        raise BinlogDamaged(f"a TABLE_MAP event of {len(event)} bytes ends too soon") from error
    return TableMap(number, schema, table, tuple(columns), key)


def _read_name(content: bytes, at: int) -> tuple[str, int]:
    """Read a length, a name and the zero after it."""
    end = at + 1 + content[at]
    if content[end] != 0:
        raise ValueError("no zero after a name")
    return content[at + 1 : end].decode("utf-8", "replace"), end + 1


def _read_metadata(types: bytes, content: bytes) -> Iterator[int]:
    at = 0
    for kind in types:
        size = 1 if kind in _ONE_BYTE else 2 if kind in _TWO_BYTES else 0
        if at + size > len(content):
            raise IndexError("no metadata left")
        # A decimal's, an enum's and a string's two bytes are two numbers, the first one high.
        order: Literal["big", "little"] = "big" if kind in (246, 247, 248, 254) else "little"
        yield int.from_bytes(content[at : at + size], order)
        at += size


def _real_type(kind: int, metadata: int) -> tuple[int, int]:
    """Return what a STRING really is: itself, an enum or a set; and its length."""
    if kind != ColumnType.STRING:
        return kind, metadata
    first, length = metadata >> 8, metadata & 0xFF
    if first & 0x30 != 0x30:
        # Two bits of the length are in the type's, inverted.
        return first | 0x30, length | ((first & 0x30) ^ 0x30) << 4
    return first, length


def _read_optional(columns: list[MappedColumn], content: bytes) -> tuple[int, ...]:
    """Complete the columns by the optional metadata; return the primary key's positions."""
    key: list[int] = []
    at = 0
    while at < len(content):
        kind = content[at]
        size, at = read_packed_integer(content, at + 1)
        value, at = content[at : at + size], at + size
        if kind == _SIGNEDNESS:
            _set_signs(columns, value)
        elif kind == _DEFAULT_CHARSET:
            _set_charsets(columns, list(_integers(value)))
        elif kind == _COLUMN_CHARSET:
            collations = zip(_places(columns, _CHARACTER), _integers(value), strict=True)
            for place, collation in collations:
                columns[place] = replace(columns[place], collation=collation)
        elif kind == _COLUMN_NAME:
            for place, name in enumerate(_names(value)):
                columns[place] = replace(columns[place], name=name)
        elif kind == _SIMPLE_PRIMARY_KEY:
            key = list(_integers(value))
        elif kind == _PREFIX_PRIMARY_KEY:
            key = list(_integers(value))[::2]
    return tuple(place for place in key if place < len(columns))


def _set_signs(columns: list[MappedColumn], bits: bytes) -> None:
    for number, place in enumerate(_places(columns, _NUMERIC)):
        unsigned = bool(bits[number // 8] & 0x80 >> number % 8)
        columns[place] = replace(columns[place], unsigned=unsigned)


def _set_charsets(columns: list[MappedColumn], numbers: list[int]) -> None:
    """Set one collation for all, then those of the columns that have another."""
    others = dict(zip(numbers[1::2], numbers[2::2], strict=True))
    for number, place in enumerate(_places(columns, _CHARACTER)):
        columns[place] = replace(columns[place], collation=others.get(number, numbers[0]))


def _places(columns: list[MappedColumn], types: set[int]) -> list[int]:
    return [place for place, column in enumerate(columns) if column.type in types]


def _integers(content: bytes) -> Iterator[int]:
    at = 0
    while at < len(content):
        value, at = read_packed_integer(content, at)
        yield value


def _names(content: bytes) -> Iterator[str]:
    at = 0
    while at < len(content):
        size, at = read_packed_integer(content, at)
        yield content[at : at + size].decode("utf-8", "replace")
        at += size
