"""How are two stored backups compared by table? From manifests, hashes and definitions.

Blocks of tables are never read. A page limits how much it reads, a command does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from backups.archive.blocks.reading import StoredTable
from backups.archive.contents import StoredFile
from backups.archive.reader import BackupReader
from backups.catalog.block_changes import NO_BLOCKS, BlockCount, count_changed
from backups.catalog.comparison import ComparedSide, Comparison, TableKey, compare_sides
from backups.catalog.contents import files_by_table, has_data
from backups.catalog.copies import open_chain
from backups.catalog.definitions import read_definitions
from backups.definitions.document import MOST_BYTES
from backups.exceptions import Refused
from backups.models import BackupCopy
from backups.units import format_bytes

NO_LIMIT = 1 << 63


@dataclass(frozen=True, slots=True)
class _Opened:
    """One of two backups, opened."""

    label: str
    chain: Sequence[BackupReader]
    side: ComparedSide
    # Reasons for which something of it is unknown.
    reasons: Sequence[str]

    @property
    def last(self) -> BackupReader:
        return self.chain[-1]


def compare_copies(
    before: BackupCopy,
    after: BackupCopy,
    *,
    check: Callable[[], None] = lambda: None,
    most_table_bytes: int = NO_LIMIT,
    most_definition_bytes: int = MOST_BYTES,
) -> Comparison:
    """Compare two copies; ``check`` is called between parts and raises when it must end.

    Of what is longer than a limit the comparison says that it was not read.
    """
    old, new = (_open(copy, most_definition_bytes) for copy in (before, after))
    reasons = [*old.reasons, *new.reasons]
    blocks: Mapping[TableKey, BlockCount] = {}
    if reason := _why_not(old, new, most_table_bytes):
        reasons.append(reason)
    else:
        blocks = _count_blocks(old, new, check)
    return compare_sides(old.side, new.side, blocks, reasons)


def _open(copy: BackupCopy, most_definition_bytes: int) -> _Opened:
    label, chain, reasons = copy.backup.label, open_chain(copy), []
    tables, _ = files_by_table(chain[-1].manifest.contents.files)
    files = {key: parts for key, parts in tables.items() if has_data(parts)}
    try:
        definitions = read_definitions(chain, most_bytes=most_definition_bytes)
    except Refused as exc:
        definitions = None
        reasons.append(f"{label}: {exc}")
    else:
        if definitions is None:
            reasons.append(f"{label} holds no definitions: it was taken without them")
        else:
            reasons += [f"{label}: {missing}" for missing in definitions.missing]
    if copy.backup.choice:
        reasons.append(f"{label} is a partial backup: it has only the tables that were chosen")
    side = ComparedSide(files, definitions, chosen=bool(copy.backup.choice))
    return _Opened(label, chain, side, reasons)


def _why_not(old: _Opened, new: _Opened, most_table_bytes: int) -> str:
    """Return why the blocks of two backups cannot be compared; blank where they can be."""
    tables = [opened.last.manifest.contents.blocks for opened in (old, new)]
    for opened, blocks in zip((old, new), tables, strict=True):
        if blocks is None:
            return f"{opened.label} has no hashes of its blocks: an earlier version took it"
    known = [blocks for blocks in tables if blocks is not None]
    if known[0].key != known[1].key:
        return "hashes of blocks can only be compared within one chain of backups"
    size = sum(frame.length for blocks in known for frame in blocks.frames)
    if size > most_table_bytes:
        return f"the hashes of their blocks have {format_bytes(size)}, more than a page reads"
    return ""


def _count_blocks(
    old: _Opened, new: _Opened, check: Callable[[], None]
) -> dict[TableKey, BlockCount]:
    before, after = StoredTable(old.last), StoredTable(new.last)
    found = {}
    for key in {*old.side.files, *new.side.files}:
        pairs = _pairs(old.side.files.get(key, ()), new.side.files.get(key, ()))
        total = NO_BLOCKS
        for pair in pairs:
            total = total.plus(count_changed(before, after, pair, check))
        found[key] = total
    return found


def _pairs(
    old: Sequence[StoredFile], new: Sequence[StoredFile]
) -> list[tuple[StoredFile | None, StoredFile | None]]:
    """Return the files of a table in both backups, by their paths."""
    before, after = ({_final_path(file): file for file in files} for files in (old, new))
    return [(before.get(path), after.get(path)) for path in {**before, **after}]


def _final_path(file: StoredFile) -> str:
    """Return the path that a file has after prepare."""
    return file.path.removesuffix(".new") + ".ibd" if file.path.endswith(".new") else file.path
