"""What does the repository say of one table: its files and its definition? Bounded reading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backups.archive.contents import StoredFile
from backups.catalog.compare import compare_copies
from backups.catalog.comparison import Comparison
from backups.catalog.contents import files_by_table, partition_of
from backups.catalog.copies import copy_to_read, open_chain
from backups.catalog.definitions import read_definitions
from backups.definitions.written import printable, without_passwords
from backups.exceptions import Refused
from backups.models import BackupCopy

MIB = 1 << 20
# Some hundred thousand definitions; hashes of about 110 GiB of tables.
MOST_DEFINITION_BYTES = 32 * MIB
MOST_TABLE_BYTES = 64 * MIB
FILES_SHOWN = 200


@dataclass(frozen=True, slots=True)
class StoredFileRow:
    """A file of a table, and the partition it belongs to."""

    file: StoredFile
    partition: str


@dataclass(frozen=True, slots=True)
class StoredTableView:
    """A table as its backup holds it."""

    files: Sequence[StoredFileRow]
    hidden_files: int
    # Blank if unknown.
    definition: str
    # Why it is unknown.
    missing: Sequence[str]


def load_stored_table(label: str, schema: str, name: str) -> StoredTableView:
    """Read a table's files and definition from a repository; MooringError where that fails."""
    chain = open_chain(_readable(label))
    tables, _ = files_by_table(chain[-1].manifest.contents.files)
    files = [
        StoredFileRow(each, partition_of(each.path)) for each in tables.get((schema, name), ())
    ]
    definitions = read_definitions(chain, most_bytes=MOST_DEFINITION_BYTES)
    found = ""
    missing: tuple[str, ...] = ("the backup was taken without definitions",)
    if definitions is not None:
        missing = ("the server listed no such table", *definitions.missing)
        for each in definitions.objects:
            if (each.schema, each.name) == (schema, name) and each.kind in _KINDS:
                found, missing = printable(without_passwords(each.sql)), ()
    return StoredTableView(files[:FILES_SHOWN], max(0, len(files) - FILES_SHOWN), found, missing)


_KINDS = ("table", "sequence", "view")


def load_comparison(earlier: str, later: str) -> Comparison:
    """Compare two backups as far as a page reads; MooringError where that fails."""
    return compare_copies(
        _readable(earlier),
        _readable(later),
        most_table_bytes=MOST_TABLE_BYTES,
        most_definition_bytes=MOST_DEFINITION_BYTES,
    )


def _readable(label: str) -> BackupCopy:
    copy = copy_to_read(label)
    if copy.repository.is_sequential:
        raise Refused(
            f"{label} is stored on media that are read from the beginning",
            hint="Read it on a terminal: browsebackup, comparebackups.",
        )
    return copy
