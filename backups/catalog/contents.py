"""Which schemas and tables are in a backup, and how big is each?

Taken from the manifest, so it is true of the stored bytes and not of today's instance. It is also
kept as a row: pages read that and no repository, whose disk may hang.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from backups.access import identity_of, store_of
from backups.archive.contents import Contents, StoredFile
from backups.archive.reader import BackupReader
from backups.innodb.names import decode_name
from backups.keys.load import load_keys
from backups.models import Backup, BackupCopy, BackupTables
from backups.states import CHOSEN_KINDS

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
# Of each kind; a row of so many has about a megabyte, and is read in a tenth of a second.
MAX_LISTED = 50_000
_PARTITION = re.compile(r"#p#", re.IGNORECASE)
# InnoDB's own tables of a full-text index: by the numbers of its table and its index.
_FULL_TEXT = re.compile(r"fts_[0-9a-f]{16}_", re.IGNORECASE)
_SUBPARTITION = re.compile(r"#sp#", re.IGNORECASE)
_ENGINES = {
    "ibd": "InnoDB",
    "new": "InnoDB",
    "isl": "InnoDB",
    "MYD": "MyISAM",
    "MYI": "MyISAM",
    "MAD": "Aria",
    "MAI": "Aria",
    "ARZ": "ARCHIVE",
    "CSV": "CSV",
    "MRG": "MERGE",
}


class TableContent(NamedTuple):
    """A table and its files."""

    schema: str
    name: str
    files: int
    bytes: int
    # Stored because the base did not have it; None where the backup needs no other.
    stored_bytes: int | None = None
    # Whether the base has one of its files, under whatever name.
    in_base: bool = False
    # As its files' names say; blank is unknown.
    engine: str = ""
    # None where it was registered by a version that did not count them; 0 without any.
    partitions: int | None = None


@dataclass(frozen=True, slots=True)
class BackupContents:
    """Tables by schema and name, and everything that belongs to none."""

    tables: list[TableContent]
    # Views, and tables stored in ibdata1: their names are known, their sizes are not.
    definitions: list[TableContent]
    other_files: int
    other_bytes: int
    # Smaller tables that are counted among the other files, as there are too many to list.
    omitted: int = 0
    # The same of what belongs to no table.
    other_stored_bytes: int | None = None


def load_contents(copy: BackupCopy) -> BackupContents:
    """Read a copy's manifest; MooringError if its repository or key is unavailable."""
    keyring = load_keys() if copy.encrypted else None
    reader = BackupReader(store_of(copy.repository), copy.path, keyring, identity_of(copy))
    return group_by_table(reader.manifest.contents)


def store_contents(backup: Backup, contents: Contents) -> None:
    """Keep the contents of a backup as a row, unless there is one."""
    content = pack_contents(group_by_table(contents))
    BackupTables.objects.get_or_create(backup=backup, defaults={"content": content})


def earlier_backup(backup: Backup) -> Backup | None:
    """Return the backup to compare one with: its base, else the one before."""
    if backup.base is not None:
        return backup.base
    earlier = Backup.objects.filter(
        instance=backup.instance_id, ended_at__lt=backup.ended_at, tables__isnull=False
    )
    if backup.kind in CHOSEN_KINDS:
        earlier = earlier.filter(kind=backup.kind, choice=backup.choice)
    else:
        earlier = earlier.exclude(kind__in=CHOSEN_KINDS)
    return earlier.order_by("-ended_at", "-id").first()


def stored_contents(backup: Backup) -> BackupContents | None:
    """Return the contents that are kept as a row; None if there is no row."""
    row = BackupTables.objects.filter(backup=backup).first()
    return None if row is None else unpack_contents(bytes(row.content))


def pack_contents(contents: BackupContents) -> bytes:
    """Return the contents for a row: at most the largest ``MAX_LISTED`` tables by name."""
    kept = sorted(contents.tables, key=lambda table: -table.bytes)
    kept, rest = kept[:MAX_LISTED], kept[MAX_LISTED:]
    definitions = contents.definitions[:MAX_LISTED]
    packed = {
        "tables": sorted(kept),
        "definitions": definitions,
        "other_files": contents.other_files + sum(table.files for table in rest),
        "other_bytes": contents.other_bytes + sum(table.bytes for table in rest),
        "other_stored_bytes": _with_rest(contents.other_stored_bytes, rest),
        "omitted": len(rest) + len(contents.definitions) - len(definitions),
    }
    return zlib.compress(json.dumps(packed).encode())


def _with_rest(other: int | None, rest: Iterable[TableContent]) -> int | None:
    return None if other is None else other + sum(table.stored_bytes or 0 for table in rest)


def unpack_contents(packed: bytes) -> BackupContents:
    """Return what ``pack_contents`` packed."""
    stored = json.loads(zlib.decompress(packed))
    tables, definitions = (
        [TableContent(*row) for row in stored.pop(name)] for name in ("tables", "definitions")
    )
    return BackupContents(tables, definitions, **stored)


def group_by_table(contents: Contents) -> BackupContents:
    """Group files by table, and add up their sizes."""
    tables, others = files_by_table(contents.files)
    rows = [_table(*key, parts, contents) for key, parts in sorted(tables.items())]
    with_files = {key for key, parts in tables.items() if has_data(parts)}
    return BackupContents(
        tables=[row for row in rows if row[:2] in with_files],
        definitions=[row for row in rows if row[:2] not in with_files],
        other_files=len(others),
        other_bytes=sum(file.size for file in others),
        other_stored_bytes=_stored(others, contents),
    )


def files_by_table(
    files: Iterable[StoredFile],
) -> tuple[dict[tuple[str, str], list[StoredFile]], list[StoredFile]]:
    """Return the files of each table by schema and name, and those of none."""
    tables: dict[tuple[str, str], list[StoredFile]] = {}
    others: list[StoredFile] = []
    for file in files:
        key = table_of(file.path)
        (others if key is None else tables.setdefault(key, [])).append(file)
    return tables, others


def has_data(files: Iterable[StoredFile]) -> bool:
    """Whether files of a name are of a table; a view has its definition only."""
    return any(not file.path.endswith(DEFINITION_SUFFIX) for file in files)


def _table(schema: str, name: str, files: Sequence[StoredFile], contents: Contents) -> TableContent:
    known = contents.blocks.sources if contents.blocks is not None else {}
    size = sum(file.size for file in files)
    in_base = any(file.number in known for file in files)
    stored, paths = _stored(files, contents), [file.path for file in files]
    engine, partitions = engine_of(paths), count_partitions(paths)
    return TableContent(schema, name, len(files), size, stored, in_base, engine, partitions)


def engine_of(paths: Iterable[str]) -> str:
    """Return the storage engine of a table's files; blank where they do not say one."""
    engines = {_ENGINES.get(path.rpartition(".")[2], "") for path in paths} - {""}
    return engines.pop() if len(engines) == 1 else ""


def count_partitions(paths: Iterable[str]) -> int:
    """Count the partitions of a table; subpartitions belong to theirs."""
    return len({name for path in paths if (name := partition_of(path))})


def partition_of(path: str) -> str:
    """Return the name of the partition that a file belongs to; blank without any."""
    found = _PARTITION.split(path.rpartition("/")[2].partition(".")[0], maxsplit=1)
    return decode_name(_SUBPARTITION.split(found[1])[0]) if len(found) > 1 else ""


def _stored(files: Iterable[StoredFile], contents: Contents) -> int | None:
    """Return what was stored of files because the base did not have it."""
    return sum(file.written_bytes for file in files) if contents.needs_others else None


def table_of(path: str) -> tuple[str, str] | None:
    """Return schema and table of a file; None for logs, system files, metadata and indexes."""
    schema, slash, name = path.partition("/")
    stem, dot, suffix = name.partition(".")
    if not slash or "/" in name or not dot or suffix not in TABLE_SUFFIXES or schema[0] == "#":
        return None
    if _FULL_TEXT.match(stem):
        return None
    return decode_name(schema), decode_name(_PARTITION.split(stem)[0])
