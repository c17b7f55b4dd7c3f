"""Which JSON text is MySQL's binary JSON?

Source: MySQL's documentation of its internal JSON format (json_binary.h): a value begins with its
type; objects and arrays have a count, a size, and entries that point to keys and values.
"""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass

from backups.binlogs.events.decimals import read_decimal
from backups.binlogs.events.temporal import packed_temporal
from backups.exceptions import BinlogDamaged

_OBJECT_SMALL, _OBJECT_LARGE, _ARRAY_SMALL, _ARRAY_LARGE = 0, 1, 2, 3
_LITERAL, _STRING, _OPAQUE = 4, 12, 15
_LITERALS = {0: "null", 1: "true", 2: "false"}
_NUMBERS = {5: "<h", 6: "<H", 7: "<i", 8: "<I", 9: "<q", 10: "<Q", 11: "<d"}
# Deeper than any server allows.
_DEEPEST = 120
_NEWDECIMAL, _TEMPORAL = 246, {7, 10, 11, 12}


def json_text(content: bytes) -> str:
    """Return a JSON column's value as text, or raise BinlogDamaged."""
    if not content:
        # MySQL stores an empty value where a NOT NULL column had to become something.
        return "null"
    try:
        return _Document(content, len(content)).read(content[0], 1, 0)
    except (IndexError, struct.error, KeyError, ValueError) as error:
        raise BinlogDamaged(f"a JSON value of {len(content)} bytes cannot be read") from error


@dataclass(slots=True)
class _Document:
    content: bytes
    # Every value has a byte of its own: where there are more, entries point to the same ones.
    values_left: int

    def read(self, kind: int, at: int, depth: int) -> str:
        self.values_left -= 1
        if depth > _DEEPEST or self.values_left < 0:
            raise ValueError("too deep, or too many values")
        if kind in (_OBJECT_SMALL, _OBJECT_LARGE):
            return "{" + ", ".join(self._members(at, kind == _OBJECT_LARGE, depth)) + "}"
        if kind in (_ARRAY_SMALL, _ARRAY_LARGE):
            return "[" + ", ".join(self._elements(at, kind == _ARRAY_LARGE, depth)) + "]"
        if kind == _LITERAL:
            return _LITERALS[self.content[at]]
        if kind in _NUMBERS:
            return repr(struct.unpack_from(_NUMBERS[kind], self.content, at)[0])
        if kind == _STRING:
            return _quoted(_string(self.content, at))
        if kind == _OPAQUE:
            return _opaque(self.content, at)
        raise ValueError(f"type {kind}")

    def _members(self, at: int, large: bool, depth: int) -> Iterator[str]:
        width = 4 if large else 2
        count = _number(self.content, at, width)
        keys = at + 2 * width
        values = keys + count * (width + 2)
        for place in range(count):
            entry = keys + place * (width + 2)
            start = at + _number(self.content, entry, width)
            size = _number(self.content, entry + width, 2)
            key = self.content[start : start + size].decode("utf-8", "replace")
            value = self._entry(at, values + place * (width + 1), large, depth)
            yield f"{_quoted(key)}: {value}"

    def _elements(self, at: int, large: bool, depth: int) -> Iterator[str]:
        width = 4 if large else 2
        for place in range(_number(self.content, at, width)):
            yield self._entry(at, at + 2 * width + place * (width + 1), large, depth)

    def _entry(self, base: int, at: int, large: bool, depth: int) -> str:
        """Read a value that is in its entry, or where the entry points to."""
        kind = self.content[at]
        inline = kind in (4, 5, 6) or (large and kind in (7, 8))
        if inline:
            return self.read(kind, at + 1, depth + 1)
        start = base + _number(self.content, at + 1, 4 if large else 2)
        if start <= base:
            raise ValueError("points to what holds it")
        return self.read(kind, start, depth + 1)


def _number(content: bytes, at: int, width: int) -> int:
    if at + width > len(content):
        raise IndexError("ends too soon")
    return int.from_bytes(content[at : at + width], "little")


def _length(content: bytes, at: int) -> tuple[int, int]:
    """Read a length of seven bits per byte."""
    length = 0
    for place in range(5):
        byte = content[at + place]
        length |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            return length, at + place + 1
    raise ValueError("a length of more than five bytes")


def _string(content: bytes, at: int) -> str:
    size, at = _length(content, at)
    if at + size > len(content):
        raise IndexError("ends too soon")
    return content[at : at + size].decode("utf-8", "replace")


def _opaque(content: bytes, at: int) -> str:
    """Return what JSON itself does not have: a decimal, a moment, or bytes."""
    kind = content[at]
    size, at = _length(content, at + 1)
    value = content[at : at + size]
    if kind == _NEWDECIMAL:
        return str(read_decimal(value[2:], value[0], value[1])[0])
    if kind in _TEMPORAL:
        return _quoted(packed_temporal(kind, int.from_bytes(value, "little", signed=True)))
    return _quoted(f"base64:type{kind}:{b64encode(value).decode()}")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
