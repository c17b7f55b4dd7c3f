"""Which tables of a backup does a pattern name, and which of them have files to import?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backups.archive.contents import StoredFile
from backups.catalog.contents import files_by_table
from backups.catalog.copies import open_chain
from backups.catalog.definitions import read_definitions
from backups.definitions.document import Definitions
from backups.exceptions import BadInput
from backups.models import BackupCopy
from backups.opened_tables.part import SYSTEM_SCHEMAS
from backups.table_names.choice import TablePattern
from backups.table_names.names import TableName, file_pattern, named_table

# A tablespace of its own, which a server imports. "new" was made during the copy.
_IMPORTED = (".ibd", ".new")


@dataclass(frozen=True, slots=True)
class MatchedTables:
    """What patterns match in a backup."""

    tables: tuple[TableName, ...]
    # Tables that match as well, and have no files that a server imports.
    left_out: tuple[TableName, ...]


def find_matching(copy: BackupCopy, patterns: Sequence[TablePattern]) -> MatchedTables:
    """Read which tables a copy has, and match patterns against them."""
    chain = open_chain(copy)
    files = chain[-1].manifest.contents.files
    return match_tables(files, read_definitions(chain), patterns)


def match_tables(
    files: Iterable[StoredFile],
    definitions: Definitions | None,
    patterns: Sequence[TablePattern],
) -> MatchedTables:
    """Match patterns against the tables of a backup; BadInput names one that matches nothing."""
    by_table, _ = files_by_table(files)
    names = _names(definitions) | {named_table(*name) for name in by_table if "@" not in name[1]}
    unused = {pattern.text for pattern in patterns}
    tables: list[TableName] = []
    left_out: list[TableName] = []
    paths = [file.path for found in by_table.values() for file in found]
    for name in sorted(names):
        fitting = {each.text for each in patterns if each.matches(*_words(name), fold=False)}
        if not fitting or name.schema in SYSTEM_SCHEMAS:
            continue
        if _is_imported(by_table.get(_words(name)), paths, name):
            unused -= fitting
            tables.append(name)
        else:
            left_out.append(name)
    if unused:
        raise BadInput(
            f"the backup has no table with files to import for {', '.join(sorted(unused))}",
            hint="Run showbackup LABEL to see its tables; upper and lower case count.",
        )
    return MatchedTables(tuple(tables), tuple(left_out))


def _names(definitions: Definitions | None) -> set[TableName]:
    if definitions is None:
        return set()
    tables = (each for each in definitions.objects if each.kind == "table")
    return {named_table(each.schema, each.name) for each in tables}


def _words(name: TableName) -> tuple[str, str]:
    return name.schema, name.name


def _is_imported(found: Sequence[StoredFile] | None, paths: Sequence[str], name: TableName) -> bool:
    if found is not None:
        return any(file.path.endswith(_IMPORTED) for file in found)
    # Letters of many scripts are coded in the names of files.
    pattern = file_pattern(name)
    return any(path.endswith(_IMPORTED) and pattern.fullmatch(path) for path in paths)
