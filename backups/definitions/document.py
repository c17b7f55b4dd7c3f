"""What is in the file that keeps the definitions of a backup?

Lines of JSON: a head, an object for each definition, a foot. docs/format.md specifies it. It comes
from a repository: nothing of it is believed before it was checked, and nothing is ever run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backups.exceptions import ArchiveError

# In the root of the data directory, where a server looks for no file of this name.
PATH = "mooring-definitions.jsonl"
FORMAT = 1
# The longest line. A server would keep routines of up to 4 GiB, and nobody writes one.
MOST_LINE_BYTES = 16 << 20
# Of the whole file: a million tables of two hundred bytes each.
MOST_BYTES = 256 << 20
KINDS = (
    "schema",
    "table",
    "sequence",
    "view",
    "trigger",
    "procedure",
    "function",
    "package",
    "package body",
    "event",
)


@dataclass(frozen=True, slots=True)
class Definition:
    """The statement that makes an object, as the server showed it."""

    kind: str
    schema: str
    # Blank for a schema itself.
    name: str
    sql: str
    # What a routine, trigger or event runs under; blank for everything else.
    sql_mode: str = ""

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}" if self.name else self.schema


@dataclass(frozen=True, slots=True)
class Definitions:
    """All definitions in a backup, and what is missing."""

    read_at: datetime
    objects: tuple[Definition, ...]
    # A sentence for each reason for which definitions may be missing; empty: none is.
    missing: tuple[str, ...]


def encode_head(read_at: datetime) -> bytes:
    """Return the first line."""
    return _line({"mooring": "definitions", "format": FORMAT, "read_at": read_at.isoformat()})


def encode(definition: Definition) -> bytes:
    """Return the line of one definition."""
    fields = [definition.kind, definition.schema, definition.name, definition.sql]
    return _line([*fields, definition.sql_mode] if definition.sql_mode else fields)


def encode_foot(objects: int, missing: Iterable[str]) -> bytes:
    """Return the last line."""
    return _line({"objects": objects, "missing": list(missing)})


def decode(content: bytes) -> Definitions:
    """Return what the file says, or raise ArchiveError where no backup writes that."""
    if len(content) > MOST_BYTES:
        raise ArchiveError(f"{PATH} has {len(content)} bytes, more than any definitions")
    head, *lines = list(_lines(content)) or [None]
    if not isinstance(head, dict) or head.get("mooring") != "definitions":
        raise ArchiveError(f"{PATH} does not begin as definitions do")
    if head.get("format") != FORMAT:
        raise ArchiveError(f"{PATH} has format {str(head.get('format'))[:20]}, not {FORMAT}")
    foot = lines.pop() if lines else None
    objects = tuple(_definition(line) for line in lines)
    if not isinstance(foot, dict) or foot.get("objects") != len(objects):
        raise ArchiveError(f"{PATH} is not complete")
    return Definitions(_moment(head.get("read_at")), objects, _texts(foot.get("missing")))


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


# Any: JSON.
def _lines(content: bytes) -> Iterator[Any]:
    for number, line in enumerate(content.splitlines(), start=1):
        if len(line) > MOST_LINE_BYTES:
            raise ArchiveError(f"{PATH} has {len(line)} bytes in line {number}")
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            raise ArchiveError(f"{PATH} cannot be decoded in line {number}") from None


def _definition(line: object) -> Definition:
    if not isinstance(line, list) or len(line) not in (4, 5):
        raise ArchiveError(f"{PATH} has a line that is no definition: {str(line)[:80]!r}")
    texts = _texts(line)
    if texts[0] not in KINDS or not texts[1] or "\0" in texts[1] + texts[2]:
        raise ArchiveError(f"{PATH} has a line that is no definition: {str(line)[:80]!r}")
    return Definition(*texts)


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ArchiveError(f"{PATH} has {str(values)[:80]!r} instead of texts")
    return tuple(values)


def _moment(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ArchiveError(f"{PATH} was read at {str(text)[:40]!r}, which is no time")
    return moment
