"""Which files of a backup are needed to open a few of its tables?

The files that belong to no table, without which no server starts, and those of the tables. All
other tables stay where they are, so the redo log names tablespaces that are not there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backups.archive.contents import StoredFile
from backups.definitions.document import PATH, Definition, Definitions
from backups.exceptions import BadInput
from backups.table_names.names import TableName, file_pattern, schema_pattern

# Schemas whose tables a server needs, or makes itself.
SYSTEM_SCHEMA = "mysql"
SYSTEM_SCHEMAS = frozenset({SYSTEM_SCHEMA, "sys", "performance_schema", "information_schema"})
SYSTEM_TABLESPACE = "mysql.ibd"
# Folders of the copy that belong to no schema: redo, clone's marks, keys.
_SYSTEM_FOLDERS = ("#", "mysql/", "mooring-keyring/")
_FULL_TEXT = re.compile(r"^[ \t]*FULLTEXT (?:KEY|INDEX) ", re.MULTILINE)
_FULL_TEXT_FILE = re.compile(r"fts_[0-9a-f]{16}_[0-9a-z_]+\.(?:ibd|frm|new)", re.IGNORECASE)
_IN_TABLESPACE = re.compile(r"/\*!\d+ [^*]*TABLESPACE `((?:[^`]|``)+)`")
_ENGINE = re.compile(r"^\) (?:/\*!\d+ )?.*?ENGINE=(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PartTable:
    """A wanted table, and what the backup has of it."""

    name: TableName
    # The statement that makes it; None where the backup does not have its definition.
    definition: Definition | None
    files: tuple[StoredFile, ...]

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def has_full_text(self) -> bool:
        return self.definition is not None and bool(_FULL_TEXT.search(self.definition.sql))

    @property
    def tablespace(self) -> str:
        """The general tablespace it is in; blank where it has one of its own."""
        found = _IN_TABLESPACE.search(self.definition.sql) if self.definition else None
        name = found[1].replace("``", "`") if found else ""
        return "" if name == "innodb_file_per_table" else name

    @property
    def engine(self) -> str:
        """The storage engine that its definition names; blank is unknown."""
        found = _ENGINE.search(self.definition.sql) if self.definition else None
        return found[1] if found else ""


@dataclass(frozen=True, slots=True)
class Part:
    """The tables, and all files that a server on them needs."""

    tables: tuple[PartTable, ...]
    paths: frozenset[str]
    # Of all these files as they are in a data folder.
    bytes: int

    @property
    def system_bytes(self) -> int:
        """What of it belongs to none of the tables."""
        return self.bytes - sum(table.bytes for table in self.tables)


def choose_part(
    files: Iterable[StoredFile], definitions: Definitions | None, wanted: Sequence[TableName]
) -> Part:
    """Return what is needed for the wanted tables, or raise BadInput where there is none."""
    files = list(files)
    tables = tuple(_table(files, definitions, name) for name in dict.fromkeys(wanted))
    if not tables:
        raise BadInput("no table is named")
    by_path = {file.path: file for file in files if _is_system(file.path)}
    for table in tables:
        by_path |= {file.path: file for file in (*table.files, *_beside(files, table))}
    return Part(tables, frozenset(by_path), sum(file.size for file in by_path.values()))


def _table(
    files: Sequence[StoredFile], definitions: Definitions | None, name: TableName
) -> PartTable:
    if name.schema in SYSTEM_SCHEMAS:
        raise BadInput(
            f"{name} is a table of the server itself",
            hint="Restore the whole backup to look into it.",
        )
    objects = definitions.objects if definitions is not None else ()
    defined = [each for each in objects if (each.schema, each.name) == (name.schema, name.name)]
    if any(each.kind == "view" for each in defined):
        raise BadInput(f"{name} is a view: it has no rows of its own")
    definition = next((each for each in defined if each.kind == "table"), None)
    pattern = file_pattern(name)
    found = tuple(file for file in files if pattern.fullmatch(file.path))
    table = PartTable(name, definition, found)
    stored = any(not file.path.endswith(".frm") for file in found)
    if stored or table.tablespace:
        return table
    if definition is None and not found:
        raise BadInput(
            f"the backup has no table {name}", hint="Run showbackup LABEL --tables to see them."
        )
    raise BadInput(
        f"the backup has the definition of {name} and none of its rows"
        + (f": its storage engine is {table.engine}" if table.engine else ""),
        hint="mariadb-backup leaves out a table that was imported after the last checkpoint: look "
        "for it in a later backup."
        if table.engine == "InnoDB"
        else "",
    )


def _beside(files: Sequence[StoredFile], table: PartTable) -> Iterable[StoredFile]:
    """Yield what a table needs and does not have for itself."""
    folder = schema_pattern(table.name.schema)
    for file in files:
        schema, slash, name = file.path.partition("/")
        if not slash:
            if table.tablespace and file.path.endswith(".ibd"):
                # Which of them it is, only the server knows.
                yield file
        elif not folder.fullmatch(schema):
            continue
        elif name == "db.opt" or (table.has_full_text and _FULL_TEXT_FILE.fullmatch(name)):
            # The index has tables of its own, which have the number of a table in their names.
            yield file


def _is_system(path: str) -> bool:
    """Whether no server starts without the file."""
    if path == PATH:
        return False
    if path.startswith(_SYSTEM_FOLDERS):
        return True
    return "/" not in path and (not path.endswith(".ibd") or path == SYSTEM_TABLESPACE)
