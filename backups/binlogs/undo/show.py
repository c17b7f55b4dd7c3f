"""How is a changed row shown to people?"""

from __future__ import annotations

from backups.binlogs.events.changes import TableRowChange
from backups.binlogs.events.rows import Image
from backups.binlogs.events.table_map import TableMap
from backups.binlogs.events.values import Value
from backups.binlogs.undo.columns import shown_name

SHOWN_CHARACTERS = 200


def shown_row(change: TableRowChange) -> str:
    """Return a line: what happened to which table, the columns before and after."""
    row, table = change.row, change.table
    parts = [row.kind.value, table.name]
    if row.before is not None:
        parts.append(_image(row.before, table))
    if row.after is not None:
        if row.before is not None:
            parts.append("to")
        parts.append(_image(row.after, table))
    return " ".join(parts)


def shown_value(value: Value) -> str:
    """Return a value in a line, long ones cut; bytes as text where they are UTF-8."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        try:
            text = repr(value.decode())
        except UnicodeDecodeError:
            text = f"0x{value.hex()}"
    else:
        text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


def _image(image: Image, table: TableMap) -> str:
    words = (f"{shown_name(table, place)}={shown_value(value)}" for place, value in image.items())
    return f"({', '.join(words)})"
