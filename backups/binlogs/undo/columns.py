"""Which columns do the images of a table have: names, types and key?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backups.binlogs.events.table_map import ColumnType, TableMap
from backups.binlogs.events.values import BINARY_COLLATION

# By the types of information_schema: those of the binlog they can have.
_LONG_TEXTS = {252, 249, 250, 251, 140}
_SHORT_TEXTS = {15, 253, 254, 141}
_TYPES: dict[str, set[int]] = {
    "tinyint": {1},
    "smallint": {2},
    "mediumint": {9},
    "int": {3},
    "bigint": {8},
    "float": {4},
    "double": {5},
    "decimal": {246},
    "bit": {16},
    "year": {13},
    "date": {10, 14},
    "time": {19, 11},
    "datetime": {18, 12},
    "timestamp": {17, 7},
    "enum": {247},
    "set": {248},
    "json": {245, *_LONG_TEXTS},
    "vector": {242, *_SHORT_TEXTS},
    "geometry": {255},
    **dict.fromkeys(("char", "varchar", "binary", "varbinary"), _SHORT_TEXTS),
    **dict.fromkeys(("tinytext", "text", "mediumtext", "longtext"), _LONG_TEXTS),
    **dict.fromkeys(("tinyblob", "blob", "mediumblob", "longblob"), _LONG_TEXTS),
    **dict.fromkeys(("inet6", "inet4", "uuid"), _SHORT_TEXTS),
}
_GEOMETRIES = (
    "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geometrycollection", "geomcollection",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column as the server describes it."""

    name: str
    # As in information_schema: int, varchar, json ...; blank where only the event is known.
    data_type: str
    unsigned: bool = False
    # Blank: binary, or no text.
    charset: str = ""
    # Computed by the server; no statement may set it.
    generated: bool = False
    # Set to the present moment by any UPDATE that does not set it.
    touched: bool = False
    # In its primary key, or else in a unique key without NULL.
    key: bool = False


def columns_of_event(table: TableMap) -> tuple[TableColumn, ...] | None:
    """Return the columns where the event names them all; None where it does not."""
    columns = [
        TableColumn(
            column.name,
            "",
            bool(column.unsigned),
            "" if column.collation in (None, BINARY_COLLATION) else "utf8mb4",
            key=place in table.primary_key,
        )
        for place, column in enumerate(table.columns)
        if column.name is not None
    ]
    return tuple(columns) if len(columns) == len(table.columns) else None


def difference(table: TableMap, columns: Sequence[TableColumn]) -> str:
    """Say how the table of today differs from that of the event; blank where it does not."""
    if len(table.columns) != len(columns):
        return f"it has {len(columns)} columns today and had {len(table.columns)}"
    for then, today in zip(table.columns, columns, strict=True):
        if then.name is not None and then.name != today.name:
            return f"its column {today.name} was {then.name}"
        data_type = "geometry" if today.data_type in _GEOMETRIES else today.data_type
        if data_type and then.type not in _TYPES.get(data_type, set()):
            return f"its column {today.name} is {today.data_type} today and was another type"
    return ""


def shown_name(table: TableMap, place: int) -> str:
    """Return a column's name, or its position as @1 where the event has no names."""
    name = table.columns[place].name
    return name if name is not None else f"@{place + 1}"


def is_incomparable(kind: int) -> bool:
    """Whether a value written as text need not be equal to the same value in its column."""
    return kind in (ColumnType.FLOAT, ColumnType.JSON, ColumnType.GEOMETRY, ColumnType.VECTOR)
