"""What changed from one backup to the next, by table?

Pure. A backup that is based on another has stored, of each table, the blocks that its base did not
have: these are the changes. Of two full backups only names and sizes can be compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backups.archive.blocks.hashing import BLOCK_BYTES
from backups.catalog.contents import BackupContents, TableContent

# Of each kind; the sums are of all.
MOST_LISTED = 20
CHANGED, NEW, RENAMED, DROPPED = "changed", "new", "renamed", "dropped"


@dataclass(frozen=True, slots=True)
class TableChange:
    """One table that is not as it was. None is unknown, or that there is no such table."""

    schema: str
    name: str
    how: str
    bytes_before: int | None
    bytes: int | None
    # Of its blocks that the base did not have; None of full backups.
    stored_bytes: int | None

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def blocks(self) -> int | None:
        return None if self.stored_bytes is None else -(-self.stored_bytes // BLOCK_BYTES)

    @property
    def growth(self) -> int:
        return (self.bytes or 0) - (self.bytes_before or 0)

    @property
    def weight(self) -> int:
        """By what changes are ordered: stored bytes, else how much the size differs."""
        return abs(self.growth) if self.stored_bytes is None else self.stored_bytes


@dataclass(frozen=True, slots=True)
class ContentChanges:
    """All changes in figures, and the largest by name."""

    # The largest first; dropped tables are listed by themselves.
    tables: Sequence[TableChange]
    dropped: Sequence[TableChange]
    tables_after: int
    changed_count: int
    new_count: int
    renamed_count: int
    dropped_count: int
    dropped_bytes: int
    # Of tables; and of logs, system tablespaces and whatever else is no table.
    stored_bytes: int | None
    other_stored_bytes: int | None
    # Tables that one of the two has not listed by name: they are not compared.
    not_compared: int

    @property
    def blocks(self) -> int | None:
        return None if self.stored_bytes is None else -(-self.stored_bytes // BLOCK_BYTES)


def compare(before: BackupContents, after: BackupContents) -> ContentChanges:
    """Compare the tables of a backup with those of an earlier one."""
    old = {table[:2]: table for table in before.tables}
    now = {table[:2] for table in after.tables}
    not_compared = max(before.omitted, after.omitted)
    changes = [
        change
        for table in after.tables
        if (change := _change(old.get(table[:2]), table)) is not None
        # It may have been among those that were not listed.
        and not (change.how == NEW and before.omitted)
    ]
    gone = [
        TableChange(former.schema, former.name, DROPPED, former.bytes, None, None)
        for key, former in old.items()
        if key not in now and not after.omitted
    ]
    return ContentChanges(
        _largest(changes),
        _largest(gone),
        len(after.tables) + after.omitted,
        _count(changes, CHANGED),
        _count(changes, NEW),
        _count(changes, RENAMED),
        len(gone),
        sum(dropped.bytes_before or 0 for dropped in gone),
        _sum_known(table.stored_bytes for table in after.tables),
        after.other_stored_bytes,
        not_compared,
    )


def _change(before: TableContent | None, after: TableContent) -> TableChange | None:
    how = CHANGED
    if before is None:
        how = RENAMED if after.in_base else NEW
    elif not (after.stored_bytes or after.bytes != before.bytes):
        return None
    size = None if before is None else before.bytes
    return TableChange(after.schema, after.name, how, size, after.bytes, after.stored_bytes)


def _largest(changes: Iterable[TableChange]) -> list[TableChange]:
    ordered = sorted(changes, key=lambda change: (-change.weight, change.schema, change.name))
    return ordered[:MOST_LISTED]


def _count(changes: Iterable[TableChange], how: str) -> int:
    return sum(change.how == how for change in changes)


def _sum_known(sizes: Iterable[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if known else None
