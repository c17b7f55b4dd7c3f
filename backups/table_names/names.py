"""How is a table named, and which files of a data folder have its name?

A server writes an identifier into a file name in its own character set: letters, digits and the
underscore as they are, other characters as ``@`` and four hexadecimal digits, letters of many
scripts as ``@`` and two characters of a table of its own. Of those the pattern takes any two: a
file of another table may then be taken as well, which costs bytes and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backups.exceptions import BadInput

# What a server allows, in characters.
MOST_NAME_CHARACTERS = 64
# A word in backquotes, in which one is written twice; or one without them.
_WORD = r"(?:`(?:[^`]|``)+`|[^`.]+)"
_NAME = re.compile(rf"({_WORD})\.({_WORD}|[^`]+)")
# Files of a table beside those of its partitions. "new" is a tablespace made during the copy.
_SUFFIXES = "frm|ibd|new|par|MYD|MYI|MAD|MAI|ARZ|CSV|CSM|MRG|TRG"
_PARTS = r"(?:#[pP]#[^/]+)?"
_PLAIN = re.compile(r"[0-9A-Za-z_]", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table, by the names that SQL has."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def quoted(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.name)}"


def parse_table(text: str) -> TableName:
    """Read ``schema.table``, where each may be in backquotes; BadInput if it is neither."""
    match = _NAME.fullmatch(text.strip())
    if match is None:
        raise BadInput(f"{text!r} names no table", hint="Write it as schema.table.")
    return named_table(*(_unquoted(word) for word in match.groups()))


def named_table(schema: str, name: str) -> TableName:
    """Return a table by its names as they are; BadInput where no server allows one."""
    for word in (schema, name):
        if not 0 < len(word) <= MOST_NAME_CHARACTERS or "\0" in word or word.endswith(" "):
            raise BadInput(f"this names no table: no server allows the name {word[:100]!r}")
    return TableName(schema, name)


def quoted(name: str) -> str:
    """Return an identifier as SQL takes it."""
    return "`" + name.replace("`", "``") + "`"


def file_pattern(table: TableName) -> re.Pattern[str]:
    """Return what the paths of the table's files match, partitions among them."""
    folder, stem = _encoded(table.schema), _encoded(table.name)
    return re.compile(rf"{folder}/{stem}{_PARTS}\.(?:{_SUFFIXES})")


def schema_pattern(schema: str) -> re.Pattern[str]:
    """Return what the folder of a schema matches."""
    return re.compile(_encoded(schema))


def _unquoted(word: str) -> str:
    return word[1:-1].replace("``", "`") if word.startswith("`") else word


def _encoded(name: str) -> str:
    return "".join(map(_encoded_character, name))


def _encoded_character(character: str) -> str:
    if _PLAIN.fullmatch(character):
        return character
    return rf"(?:@{ord(character):04x}|@[0-9A-Za-z@]{{2}}|{re.escape(character)})"
