"""What changed by table since the backup before, or the base of a backup? Rows only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backups.catalog.changes import ContentChanges, TableChange, compare
from backups.catalog.contents import BackupContents, earlier_backup, stored_contents
from backups.models import Backup

LEAST_PERCENT = 1


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A table that changed, and the length of its bar."""

    change: TableChange
    # Of the largest change.
    percent: int
    # Of the table; None where that is unknown.
    share: int | None


@dataclass(frozen=True, slots=True)
class ChangesView:
    """The largest changes, and the sums."""

    since: Backup
    changes: ContentChanges
    rows: Sequence[ChangeRow]

    @property
    def hidden(self) -> int:
        changes = self.changes
        all_of_them = changes.changed_count + changes.new_count + changes.renamed_count
        return all_of_them - len(self.rows)

    @property
    def hidden_dropped(self) -> int:
        return self.changes.dropped_count - len(self.changes.dropped)


def load_changes(backup: Backup, contents: BackupContents) -> ChangesView | None:
    """Compare the backup's ``contents``; None where no earlier backup has any."""
    since = earlier_backup(backup)
    before = stored_contents(since) if since is not None else None
    if since is None or before is None:
        return None
    changes = compare(before, contents)
    largest = max((change.weight for change in changes.tables), default=0)
    return ChangesView(since, changes, [_row(change, largest) for change in changes.tables])


def _row(change: TableChange, largest: int) -> ChangeRow:
    percent = max(LEAST_PERCENT, round(100 * change.weight / largest)) if largest else 0
    share = None
    if change.stored_bytes is not None and change.bytes:
        share = min(100, round(100 * change.stored_bytes / change.bytes))
    return ChangeRow(change, percent, share)
