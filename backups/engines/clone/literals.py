"""How is a value written as a literal that a server reads back exactly?

Pure: a column in, the expression to select and the literal to write out. Values are the bytes of
the text protocol, in the column's own character set: nothing is converted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from backups.exceptions import EngineError

Literal = Callable[[bytes], bytes]

_NUMBERS = {"tinyint", "smallint", "mediumint", "int", "bigint", "decimal"}
_FLOATS = {"float", "double"}
_TEMPORALS = {"date", "datetime", "timestamp", "time", "year"}
# Of MariaDB; their text is all there is of them.
_ADDRESSES = {"uuid", "inet4", "inet6"}
_CHOICES = {"enum", "set"}
_TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext"}
_BYTES = {
    "binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit", "vector",
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring",
    "multipolygon", "geomcollection", "geometrycollection",
}  # fmt: skip
# A byte below 128 is the same character in these as in ASCII, wherever it stands.
_LIKE_ASCII = {"ascii", "latin1", "latin2", "latin5", "latin7", "cp1250", "cp1251", "cp1256",
               "cp1257", "cp850", "cp852", "cp866", "greek", "hebrew", "koi8r", "koi8u",
               "tis620", "utf8", "utf8mb3", "utf8mb4"}  # fmt: skip
_UTF8 = {"utf8", "utf8mb3", "utf8mb4"}
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Column:
    """A column whose values are saved: generated ones are not."""

    name: str
    data_type: str
    character_set: str = ""

    @property
    def expression(self) -> str:
        """The expression to select, so that the text protocol has the exact value."""
        name = quoted(self.name)
        if self.data_type in _FLOATS:
            # As text a FLOAT has six digits; as DOUBLE all. Times one keeps the sign of zero.
            return f"{name} * 1e0"
        if self.data_type in _CHOICES:
            # The number: the text of an invalid value is empty.
            return f"{name} + 0"
        return name

    def literal(self) -> Literal:
        """Return the literal writer for this column; EngineError for an unknown type."""
        kind = self.data_type
        if kind in _NUMBERS or kind in _CHOICES:
            return bytes
        if kind in _FLOATS:
            return float_literal
        if kind in _TEMPORALS | _ADDRESSES:
            return quoted_text
        if kind in _BYTES:
            return bytes_literal
        if kind == "json":
            return text_literal("utf8mb4")
        if kind in _TEXTS:
            return text_literal(self.character_set)
        raise EngineError(f"column {self.name} has an unsupported type: {kind}")


def float_literal(value: bytes) -> bytes:
    """Add an exponent: without one it is a decimal or an integer, and minus zero is zero."""
    return value if b"e" in value else value + b"e0"


def quoted_text(value: bytes) -> bytes:
    return b"'" + value.replace(b"\\", b"\\\\").replace(b"'", b"''") + b"'"


def bytes_literal(value: bytes) -> bytes:
    return b"x'" + value.hex().encode() + b"'"


def text_literal(character_set: str) -> Literal:
    """Return the writer for text: readable if that is exact, otherwise bytes with charset."""
    introducer = f"_{character_set} ".encode()

    def literal(value: bytes) -> bytes:
        readable = not _CONTROL.search(value) and (
            (value.isascii() and character_set in _LIKE_ASCII)
            or (character_set in _UTF8 and _is_utf8(value))
        )
        return quoted_text(value) if readable else introducer + bytes_literal(value)

    return literal


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
