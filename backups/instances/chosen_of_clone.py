"""Which tables of a MySQL does a choice match, how large are they, which files are theirs?

The files are what a clone names: partitions and hidden tables of full-text indexes have files of
their own, and a general tablespace is kept whole where one chosen table is in it. Views, routines
and triggers are in the data dictionary, which every clone has: they are not chosen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from backups.engines.base import Login
from backups.engines.clone.chosen_files import table_of_file
from backups.instances.chosen_tables import SYSTEM_SCHEMAS, ChosenTables, ServerTable
from backups.instances.connection import connect, fetch_rows
from backups.table_names.choice import TableChoice
from backups.table_names.names import TableName, file_pattern

_OWN = "('mysql', 'sys', 'performance_schema', 'information_schema')"
_FOLDS = "SELECT @@lower_case_table_names <> 0 AS folds"
_TABLES = f"""
    SELECT TABLE_SCHEMA AS sch, TABLE_NAME AS name, ENGINE AS engine
    FROM information_schema.TABLES
    WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA NOT IN {_OWN}
    ORDER BY TABLE_SCHEMA, TABLE_NAME
"""  # noqa: S608 - constants
_IN_INNODB = """
    SELECT TABLE_ID AS id, NAME AS name, SPACE AS space, SPACE_TYPE AS kind
    FROM information_schema.INNODB_TABLES WHERE NAME LIKE '%/%'
"""
_SPACES = """
    SELECT SPACE AS space, NAME AS name, SPACE_TYPE AS kind, FILE_SIZE AS size
    FROM information_schema.INNODB_TABLESPACES
"""
_FILES = """
    SELECT CAST(SPACE AS UNSIGNED) AS space, PATH AS path FROM information_schema.INNODB_DATAFILES
"""
_FOREIGN = f"""
    SELECT CONSTRAINT_SCHEMA AS child_schema, TABLE_NAME AS child,
           UNIQUE_CONSTRAINT_SCHEMA AS parent_schema, REFERENCED_TABLE_NAME AS parent
    FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA NOT IN {_OWN}
"""  # noqa: S608
_HIDDEN = re.compile(r"[^/]+/fts_(?P<table>[0-9a-f]{16})_", re.IGNORECASE)
_PLAIN = re.compile(r"[0-9A-Za-z_]+", re.ASCII)
_PARTITION = re.compile(r"#p#", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Space:
    """A tablespace, and its file as the donor names it."""

    kind: str
    path: str
    size: int
    # Whether every clone has it.
    is_system: bool

    @property
    def is_general(self) -> bool:
        return self.kind == "General" and not self.is_system


class _InnodbFiles:
    """What InnoDB's views say of its tables, by their names in file names, and tablespaces."""

    # Any: rows of queries.
    def __init__(
        self,
        tables: Iterable[Mapping[str, Any]],
        spaces: Iterable[Mapping[str, Any]],
        files: Iterable[Mapping[str, Any]],
    ) -> None:
        paths = {int(row["space"]): str(row["path"]).removeprefix("./") for row in files}
        self.spaces: dict[int, _Space] = {}
        # By their names in SQL, partitions together.
        self._own: dict[str, list[str]] = {}
        for row in spaces:
            number, name, kind = int(row["space"]), str(row["name"]), str(row["kind"])
            system = kind not in ("Single", "General") or name == "mysql"
            system = system or name.partition("/")[0] in SYSTEM_SCHEMAS
            path = paths.get(number, "")
            self.spaces[number] = _Space(kind, path, int(row["size"] or 0), system)
            if kind == "Single":
                self._own.setdefault(_PARTITION.split(name)[0], []).append(table_of_file(path))
        self.spaces_of: dict[str, set[int]] = {}
        self.ids: dict[int, str] = {}
        # Tables of full-text indexes, and the number of the table that each belongs to.
        self.hidden: dict[str, int] = {}
        for row in tables:
            name = table_of_file(str(row["name"]))
            self.ids[int(row["id"])] = name
            self.spaces_of.setdefault(name, set()).add(int(row["space"]))
            if found := _HIDDEN.match(name):
                self.hidden[name] = int(found["table"], 16)

    def names_of(self, schema: str, name: str) -> set[str]:
        """Return a table's name in file names.

        Of a name with odd letters in a general tablespace all that may be meant: which letters
        a file name has, only the server knows.
        """
        plain = f"{schema}/{name}"
        if _PLAIN.fullmatch(schema) and _PLAIN.fullmatch(name):
            return {plain} & self.spaces_of.keys()
        pattern = file_pattern(TableName(schema, name))
        own = {each for each in self._own.get(plain, ()) if pattern.fullmatch(f"{each}.ibd")}
        return own or {
            each for each in self.spaces_of if "@" in each and pattern.fullmatch(f"{each}.ibd")
        }

    def spaces_of_all(self, names: Iterable[str]) -> list[_Space]:
        """Return the tablespaces of tables, each once, but those that every clone has."""
        numbers = {number for name in names for number in self.spaces_of.get(name, ())}
        found = (self.spaces.get(number) for number in sorted(numbers))
        return [space for space in found if space is not None and not space.is_system]


def fetch_chosen_of_clone(login: Login, choice: TableChoice) -> ChosenTables:
    """Match a choice against a MySQL; InstanceUnreachable where it does not answer."""
    with closing(connect(login)) as connection:
        fold = bool(fetch_rows(connection, _FOLDS)[0]["folds"])
        listed = fetch_rows(connection, _TABLES)
        innodb = _InnodbFiles(
            *(fetch_rows(connection, each) for each in (_IN_INNODB, _SPACES, _FILES))
        )
        foreign_keys = fetch_rows(connection, _FOREIGN)
    names = [(str(row["sch"]), str(row["name"])) for row in listed]
    chosen = {name for name in names if choice.chooses(*name, fold=fold)}
    files = {name: innodb.names_of(*name) for name in chosen}
    wanted = {each for found in files.values() for each in found}
    owners = {name: innodb.ids.get(number) for name, number in innodb.hidden.items()}
    hidden = {name for name, owner in owners.items() if owner in wanted}
    spaces = innodb.spaces_of_all(wanted | hidden)
    every = innodb.spaces.values()
    return ChosenTables(
        choice,
        tuple(
            ServerTable(*name, _file_of(innodb, files[name]), str(row["engine"] or ""))
            for name, row in zip(names, listed, strict=True)
            if name in chosen
        ),
        tuple(choice.unmatched(names, fold=fold)),
        tuple(sorted(_cut(foreign_keys, chosen))),
        tuple(sorted(wanted | hidden | {each.path for each in spaces if each.is_general})),
        len(names) - len(chosen),
        size_bytes=sum(each.size for each in spaces),
        system_bytes=sum(each.size for each in every if each.is_system),
        sent_bytes=sum(each.size for each in every),
        hidden_others=tuple(
            sorted(name for name, owner in owners.items() if owner and owner not in wanted)
        ),
    )


def _file_of(innodb: _InnodbFiles, names: set[str]) -> str:
    """Return the file by which a table is looked for in a copy; blank where none is its own."""
    spaces = innodb.spaces_of_all(names)
    general = [space.path for space in spaces if space.is_general]
    if general:
        return general[0]
    return min(names) if spaces else ""


# Any: rows of a query.
def _cut(foreign_keys: Sequence[Mapping[str, Any]], chosen: set[tuple[str, str]]) -> Iterable[str]:
    for row in foreign_keys:
        child = (row["child_schema"], row["child"])
        parent = (row["parent_schema"], row["parent"])
        if child in chosen and parent not in chosen:
            yield f"{'.'.join(child)} → {'.'.join(parent)}"
