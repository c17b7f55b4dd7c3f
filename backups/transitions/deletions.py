"""Who may write the status of a deletion? Only this module, by compare-and-swap.

With each move a tick judges the protection of the instance and its recoverable ranges again: a copy
that is marked counts for neither.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from backups.exceptions import IllegalTransition
from backups.models import BackupCopy, BinlogArchive, Deletion
from backups.states import DELETION_MOVES, DeletionStatus
from backups.transitions.occurrences import recheck_protection

REASON_LENGTH, PROBLEM_LENGTH = 300, 1000


def mark_copy(deletion: Deletion, now: datetime) -> Deletion:
    """Record that a stored copy is to be deleted; the caller holds the lock on its row."""
    deletion.reason = deletion.reason[:REASON_LENGTH]
    deletion.status, deletion.status_since = DeletionStatus.MARKED, now
    deletion.seen_at = now
    deletion.save(force_insert=True)
    _recheck(deletion, now)
    return deletion


def begin_deletion(
    deletion: Deletion,
    *,
    remains: Mapping[str, object],
    now: datetime,
    hastened_by: str = "",
    hastened_reason: str = "",
) -> bool:
    """Record that it is final, and what remains; False if it was undone in between."""
    return _move(
        deletion,
        DeletionStatus.DELETING,
        now,
        remains_deleted=dict(remains),
        problem="",
        hastened_by=hastened_by,
        hastened_reason=hastened_reason[:REASON_LENGTH],
    )


def finish_deletions(copy: BackupCopy, now: datetime) -> None:
    """Record that the bytes of a copy are deleted."""
    for deletion in Deletion.objects.filter(copy=copy, status=DeletionStatus.DELETING):
        _move(deletion, DeletionStatus.DELETED, now)


def undo_deletion(
    deletion: Deletion, to: DeletionStatus, *, who: str, reason: str, now: datetime
) -> bool:
    """Keep a marked copy, for a person or for its retention; False if it is too late."""
    return _move(deletion, to, now, ended_by=who, end_reason=reason[:REASON_LENGTH], problem="")


def note_problem(deletion: Deletion, problem: str) -> None:
    """Record why a deletion that is due did not take place."""
    marked = Deletion.objects.filter(pk=deletion.pk, status=DeletionStatus.MARKED)
    marked.update(problem=problem[:PROBLEM_LENGTH])


def _move(deletion: Deletion, to: DeletionStatus, now: datetime, **values: object) -> bool:
    old = DeletionStatus(deletion.status)
    if to not in DELETION_MOVES[old]:
        raise IllegalTransition(f"{deletion}: {old} to {to}")
    same = Deletion.objects.filter(pk=deletion.pk, status=old)
    won = same.update(status=to, status_since=now, **values)
    deletion.refresh_from_db()
    if won:
        _recheck(deletion, now)
    return bool(won)


def _recheck(deletion: Deletion, now: datetime) -> None:
    instance = deletion.copy.backup.instance_id
    recheck_protection(instance, now)
    BinlogArchive.objects.filter(instance=instance).update(judged_at=None)
