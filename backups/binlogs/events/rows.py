"""Which rows did a row event insert, update or delete?

Both flavours, versions 1 and 2, MariaDB's compressed ones, and MySQL's partial update of JSON.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from backups.binlogs.events.gtid_events import read_packed_integer
from backups.binlogs.events.header import CHECKSUM_BYTES, HEADER, EventHeader
from backups.binlogs.events.queries import decompress
from backups.binlogs.events.table_map import ColumnType, TableMap
from backups.binlogs.events.values import NotDecoded, Value, read_value
from backups.exceptions import BinlogDamaged

_VERSION_2 = {30, 31, 32, 39, 169, 170, 171}
_COMPRESSED = range(166, 172)
_PARTIAL_UPDATE = 39


class ChangeKind(enum.Enum):
    """What happened to a row."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


ROW_KINDS = {
    **dict.fromkeys((23, 30, 166, 169), ChangeKind.INSERT),
    **dict.fromkeys((24, 31, 39, 167, 170), ChangeKind.UPDATE),
    **dict.fromkeys((25, 32, 168, 171), ChangeKind.DELETE),
}
# By the column's position, from 0. A column that is not in the image is not in it.
Image = dict[int, Value]


@dataclass(frozen=True, slots=True)
class RowChange:
    """One row, before and after; None where it did not exist."""

    kind: ChangeKind
    before: Image | None
    after: Image | None


def table_number(event: bytes) -> int:
    """Return which table the rows of a whole row event are of."""
    return int.from_bytes(event[HEADER.size : HEADER.size + 6], "little")


def read_rows(
    header: EventHeader, event: bytes, table: TableMap, checksummed: bool
) -> Iterator[RowChange]:
    """Yield the rows of a whole row event, or raise BinlogDamaged."""
    content = event[: len(event) - CHECKSUM_BYTES] if checksummed else event
    kind = ROW_KINDS[header.type]
    at = HEADER.size + 8
    try:
        if header.type in _VERSION_2:
            at += int.from_bytes(content[at : at + 2], "little")
        width, at = read_packed_integer(content, at)
        if width != len(table.columns):
            raise BinlogDamaged(f"rows of {width} columns are of {table.name}, which has others")
        present, at = _bits(content, at, width)
        after_present = present
        if kind is ChangeKind.UPDATE:
            after_present, at = _bits(content, at, width)
        if header.type in _COMPRESSED:
            content, at = decompress(content[at:]), 0
        reader = _RowReader(table, content, header.type == _PARTIAL_UPDATE)
        while at < len(content):
            change, after = reader.read(kind, present, after_present, at)
            if after == at:
                raise BinlogDamaged(f"a row of {table.name} takes no bytes")
            at = after
            yield change
    except IndexError as error:
        raise BinlogDamaged(f"a row event of {table.name} ends too soon") from error


@dataclass(frozen=True, slots=True)
class _RowReader:
    table: TableMap
    content: bytes
    partial: bool

    def read(
        self, kind: ChangeKind, present: list[int], after_present: list[int], at: int
    ) -> tuple[RowChange, int]:
        before, after = None, None
        if kind is not ChangeKind.INSERT:
            before, at = self._image(present, [], at)
        if kind is not ChangeKind.DELETE:
            partial: list[int] = []
            if self.partial:
                partial, at = self._partial_columns(at)
            after, at = self._image(after_present, partial, at)
        return RowChange(kind, before, after), at

    def _image(self, present: list[int], partial: list[int], at: int) -> tuple[Image, int]:
        nulls, at = _bits(self.content, at, len(present))
        missing = set(nulls)
        image: Image = {}
        for number, place in enumerate(present):
            if number in missing:
                image[place] = None
            elif place in partial:
                size = int.from_bytes(self.content[at : at + 4], "little")
                image[place], at = NotDecoded("a partial change of a JSON value"), at + 4 + size
            else:
                image[place], at = read_value(self.table.columns[place], self.content, at)
        return image, at

    def _partial_columns(self, at: int) -> tuple[list[int], int]:
        """Return which JSON columns have only their changes in the image that follows."""
        options, at = read_packed_integer(self.content, at)
        if not options & 1:
            return [], at
        columns = enumerate(self.table.columns)
        documents = [place for place, column in columns if column.type == ColumnType.JSON]
        chosen, at = _bits(self.content, at, len(documents))
        return [documents[number] for number in chosen], at


def _bits(content: bytes, at: int, count: int) -> tuple[list[int], int]:
    """Return which of ``count`` bits are set, the lowest first, and the offset after them."""
    end = at + (count + 7) // 8
    if end > len(content):
        raise IndexError("ends in a bitmap")
    bits = int.from_bytes(content[at:end], "little")
    return [place for place in range(count) if bits >> place & 1], end
