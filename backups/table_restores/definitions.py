"""How is a table of the private server made elsewhere, under another name?

Pure: the statement that SHOW CREATE TABLE returned goes in, the one to run comes out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set

from backups.exceptions import StageFailed
from backups.table_names.names import TableName, quoted

_NAME = r"`(?:[^`]|``)+`"
_CONSTRAINT = re.compile(rf"^  CONSTRAINT ({_NAME}) (?=FOREIGN KEY|CHECK)", re.MULTILINE)
_FOREIGN_KEY = re.compile(
    rf"^(  (?:CONSTRAINT {_NAME} )?FOREIGN KEY \([^\n]+?\) REFERENCES )({_NAME})( \()", re.MULTILINE
)
# Where the rows were on another server means nothing here.
_PLACES = re.compile(
    r" (?:DATA|INDEX) DIRECTORY ?= ?'(?:[^'\\]|\\.|'')*'"
    rf"|/\*!50100 TABLESPACE {_NAME}(?: STORAGE \w+)? \*/ ?"
    r"|/\*!\d+ (?:DATA|INDEX) DIRECTORY ?= ?'(?:[^'\\]|\\.|'')*' \*/"
)


def created_as(
    sql: str,
    table: TableName,
    new: TableName,
    *,
    moved: Mapping[str, str],
    taken: Set[str],
) -> str:
    """Return the statement that makes ``table`` as ``new``.

    ``moved``: tables of its schema that are made under another name beside it, by their names;
    its foreign keys to them are to lead there. ``taken``: names of constraints that the schema
    has; the server gives others.
    """
    head = f"CREATE TABLE {quoted(table.name)} ("
    if not sql.startswith(head):
        raise StageFailed(f"{table} cannot be made elsewhere: it is defined as {sql[:100]!r}")
    body, fold, tail = sql[len(head) :].rpartition("\n)")
    body = _FOREIGN_KEY.sub(lambda key: f"{key[1]}{_moved(key[2], moved)}{key[3]}", body)
    body = _CONSTRAINT.sub(lambda key: "  " if _plain(key[1]) in taken else key[0], body)
    return f"CREATE TABLE {new.quoted} ({body}{fold}{_PLACES.sub('', tail)}"


def _moved(name: str, moved: Mapping[str, str]) -> str:
    plain = _plain(name)
    return quoted(moved.get(plain, plain))


def _plain(name: str) -> str:
    return name[1:-1].replace("``", "`")
