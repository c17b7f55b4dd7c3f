"""How is a value of a row image written in SQL, so that it becomes exactly the same value?"""

from __future__ import annotations

from decimal import Decimal

from backups.binlogs.events.table_map import ColumnType, MappedColumn
from backups.binlogs.events.values import NotDecoded, Value
from backups.binlogs.undo.columns import TableColumn
from backups.exceptions import BinlogDamaged

_BITS = {
    ColumnType.TINY: 8,
    ColumnType.SHORT: 16,
    ColumnType.INT24: 24,
    ColumnType.LONG: 32,
    ColumnType.LONGLONG: 64,
}
# Their zeros at the end are not in a row image.
_PADDED = frozenset({"binary", "inet4", "inet6"})


def quote_name(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def literal(value: Value, column: MappedColumn, known: TableColumn) -> str:
    """Return the value as SQL; ``known`` says what the event left out."""
    if value is None:
        return "NULL"
    if isinstance(value, NotDecoded):
        raise BinlogDamaged(f"column {known.name} cannot be written: {value}")
    if isinstance(value, int):
        return str(_signed(value, column, known))
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bytes) and known.data_type in _PADDED:
        value = value.ljust(column.metadata, b"\0")
    text = _text(value, known)
    return f"CAST({text} AS JSON)" if column.type == ColumnType.JSON else text


def _signed(value: int, column: MappedColumn, known: TableColumn) -> int:
    """Return what a negative number really is, where only the server says that it has no sign."""
    bits = _BITS.get(ColumnType(column.type)) if column.type in _BITS else None
    if value < 0 and bits and column.unsigned is None and known.unsigned:
        return value + (1 << bits)
    return value


def _text(value: str | bytes, known: TableColumn) -> str:
    """Return plain ASCII between quotes, anything else by its bytes and their character set."""
    content = value.encode() if isinstance(value, str) else value
    if all(0x20 <= byte < 0x7F and byte != 0x5C for byte in content):
        quoted = "'" + content.decode("ascii").replace("'", "''") + "'"
        # Bytes of these are no ASCII even where they look like it.
        if isinstance(value, str) or known.charset not in ("ucs2", "utf16", "utf16le", "utf32"):
            return quoted
    charset = "utf8mb4" if isinstance(value, str) else known.charset
    introducer = f"_{charset} " if charset else ""
    return f"{introducer}X'{content.hex()}'"
