"""Which schemas and tables are in a backup, and how big is each?

Read from the manifest, so it is true of the stored bytes and not of today's instance.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from backups.access import identity_of, store_of
from backups.archive.contents import StoredFile
from backups.archive.reader import BackupReader
from backups.keys.load import load_keys
from backups.models import BackupCopy

TABLE_SUFFIXES = frozenset(
    # "new": a tablespace created while the copy was going on; prepare renames it to ibd.
    {
        "frm",
        "ibd",
        "new",
        "isl",
        "MYD",
        "MYI",
        "MAD",
        "MAI",
        "ARZ",
        "CSV",
        "CSM",
        "MRG",
        "TRG",
        "par",
    }
)
DEFINITION_SUFFIX = ".frm"
# The server writes a character that is invalid in a file name as @ and its code point.
_ENCODED = re.compile(r"@([0-9a-f]{4})")
_PARTITION = re.compile(r"#p#", re.IGNORECASE)


class TableContent(NamedTuple):
    """A table and its files."""

    schema: str
    name: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class BackupContents:
    """Tables by schema and name, and everything that belongs to none."""

    tables: list[TableContent]
    # Views, and tables stored in ibdata1: their names are known, their sizes are not.
    definitions: list[TableContent]
    other_files: int
    other_bytes: int


def load_contents(copy: BackupCopy) -> BackupContents:
    """Read a copy's manifest; MooringError if its repository or key is unavailable."""
    keyring = load_keys() if copy.encrypted else None
    reader = BackupReader(store_of(copy.repository), copy.path, keyring, identity_of(copy))
    return group_by_table(reader.manifest.contents.files)


def group_by_table(files: Iterable[StoredFile]) -> BackupContents:
    """Group files by table, and add up their sizes."""
    tables: dict[tuple[str, str], list[StoredFile]] = {}
    others: list[StoredFile] = []
    for file in files:
        key = table_of(file.path)
        (others if key is None else tables.setdefault(key, [])).append(file)
    rows = [
        TableContent(*key, len(found), sum(file.size for file in found))
        for key, found in sorted(tables.items())
    ]
    with_files = {
        key
        for key, found in tables.items()
        if any(not file.path.endswith(DEFINITION_SUFFIX) for file in found)
    }
    return BackupContents(
        tables=[row for row in rows if row[:2] in with_files],
        definitions=[row for row in rows if row[:2] not in with_files],
        other_files=len(others),
        other_bytes=sum(file.size for file in others),
    )


def table_of(path: str) -> tuple[str, str] | None:
    """Return schema and table of a file; None for logs, system files and metadata."""
    schema, slash, name = path.partition("/")
    stem, dot, suffix = name.partition(".")
    if not slash or "/" in name or not dot or suffix not in TABLE_SUFFIXES or schema[0] == "#":
        return None
    return decode_name(schema), decode_name(_PARTITION.split(stem)[0])


def decode_name(encoded: str) -> str:
    """Undo the encoding of identifiers in file names."""
    return _ENCODED.sub(lambda match: chr(int(match.group(1), 16)), encoded)
