"""Is the copy that a restore would read marked for deletion, and until when is it there?

What it needs in the same repository is not marked without it: a copy is marked only after all that
need it.
"""

from __future__ import annotations

from collections.abc import Iterable

from backups.checks import Check, Verdict
from backups.models import BackupCopy, Deletion
from backups.states import OPEN_DELETION_STATUSES


def marks_of(copies: Iterable[BackupCopy]) -> dict[int, Deletion]:
    """Map the ids of the copies that are marked to their deletions, in one query."""
    open_ones = Deletion.objects.filter(
        copy__in=[copy.pk for copy in copies], status__in=OPEN_DELETION_STATUSES
    )
    return {deletion.copy_id: deletion for deletion in open_ones}


def check_deletion(copy: BackupCopy, mark: Deletion | None) -> list[Check]:
    """Return a warning with the time and the command that undoes it; nothing if none is marked."""
    if mark is None:
        return []
    return [
        Check(
            "deletion",
            Verdict.WARNING,
            f"marked for deletion: deleted from {mark.due_at:%Y-%m-%d %H:%M}Z; {mark.by}",
            f"Keep it with keepbackup {copy.backup.label} --repository {copy.repository.name}.",
        )
    ]
