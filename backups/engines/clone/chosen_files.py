"""Which files of a clone does a partial backup keep?

A donor sends everything, so the choice is made here, by the names that its files have. The system's
files are kept, and whatever a chosen table may turn out to need: files that DDL has in work, and
hidden tables of full-text indexes of which it is not known that they belong to another table.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from backups.innodb.pages import SHARED

SUFFIX = ".ibd"
# The data dictionary and the tables of the server itself.
DICTIONARY = "mysql.ibd"
_SYSTEM_SCHEMAS = frozenset({"mysql", "sys", "performance_schema"})
_PARTITION = re.compile(r"#p#", re.IGNORECASE)
# How the server begins the names of tables that DDL has in work.
_IN_WORK = "#sql"
_FULL_TEXT = re.compile(r"fts_[0-9a-f]{16}_[0-9a-z_]+", re.IGNORECASE)


class ChosenFiles:
    """Decides by the names of files, as the server writes them."""

    def __init__(self, names: Collection[str], hidden_others: Collection[str] = ()) -> None:
        """``names`` are ``schema/table``, and whole paths, with their ending, of tablespaces.

        ``hidden_others`` are tables of full-text indexes that belong to tables that are not in.
        """
        self._names, self._hidden_others = frozenset(names), frozenset(hidden_others)
        self._schemas = {name.partition("/")[0] for name in names if not name.endswith(SUFFIX)}

    def keeps(self, path: str, fsp_flags: int) -> bool:
        """Whether a file of the donor is in, by its path there and the flags of its tablespace."""
        if not path.endswith(SUFFIX) or path == DICTIONARY:
            return True
        if fsp_flags & SHARED:
            return path in self._names
        name = table_of_file(path)
        schema, _, table = name.partition("/")
        if schema in _SYSTEM_SCHEMAS or name in self._names:
            return True
        if schema not in self._schemas:
            return False
        if _FULL_TEXT.fullmatch(table):
            return name not in self._hidden_others
        return table.startswith(_IN_WORK)


def table_of_file(path: str) -> str:
    """Return ``schema/table`` of a tablespace that is a table's own, or a partition's."""
    name = "/".join(path.removesuffix(SUFFIX).rsplit("/", 2)[-2:])
    return _PARTITION.split(name)[0]
