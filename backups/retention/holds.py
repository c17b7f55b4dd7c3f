"""How does a person keep a backup whatever its policy decides, and end that?

A pin stays until it is removed. A hold ends by itself: nothing has to run for that. Either undoes
the deletion of copies that are marked for it. Who set and released it is in the activity.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.timezone import now as clock

from backups.activity import current_actor, record
from backups.exceptions import BadInput, Refused
from backups.models import Backup, BackupCopy, Deletion
from backups.models.activity import Verb
from backups.schedule import LONGEST
from backups.states import CopyStatus, DeletionStatus
from backups.transitions.deletions import undo_deletion

REASON_LENGTH = 200


def hold_backup(backup: Backup, *, until: datetime, reason: str, now: datetime) -> None:
    """Hold a backup, or extend its hold; a shorter one than it has is refused."""
    reason = reason.strip()[:REASON_LENGTH]
    if not reason:
        raise BadInput("a hold needs a reason")
    if not now < until <= now + LONGEST:
        raise BadInput(
            f"the end of the hold, {until:%Y-%m-%d %H:%M %Z}, is not in the future",
            hint="Give a later date, at most 100 years from now.",
        )
    with transaction.atomic():
        row = _lock(backup)
        if row.held(now) and row.held_until is not None and until < row.held_until:
            raise Refused(
                f"{backup} is held by {row.held_by} until {row.held_until:%Y-%m-%d %H:%M}Z: "
                f"{row.held_reason}",
                hint="Release it first, or give a later end.",
            )
        write_hold(backup, until=until, reason=reason)
        undo_marks(_marks_of(backup), reason=f"held: {reason}", now=now)


def write_hold(backup: Backup, *, until: datetime, reason: str) -> None:
    """Write the hold of the current actor, and record it; the caller holds the lock."""
    _write(backup, until, reason.strip()[:REASON_LENGTH], current_actor().name)
    record(Verb.HELD, backup, details={"reason": reason, "until": until.isoformat()})


def release_backup(backup: Backup, now: datetime) -> None:
    """End the hold of a backup before its time."""
    with transaction.atomic():
        row = Backup.objects.select_for_update(of=("self",)).get(pk=backup.pk)
        if not row.held(now):
            raise Refused(f"{backup} is not held")
        _write(backup, None, "", "")
        record(Verb.RELEASED, backup, details={"reason": row.held_reason})


def pin_backup(backup: Backup, *, reason: str) -> None:
    """Keep a backup until a person unpins it."""
    reason = reason.strip()[:REASON_LENGTH]
    if not reason:
        raise BadInput("a pin needs a reason")
    with transaction.atomic():
        _lock(backup)
        backup.pinned, backup.pinned_reason = True, reason
        backup.save(update_fields=["pinned", "pinned_reason"])
        record(Verb.PINNED, backup, details={"reason": reason})
        undo_marks(_marks_of(backup), reason=f"pinned: {reason}", now=clock())


def unpin_backup(backup: Backup) -> None:
    backup.pinned, backup.pinned_reason = False, ""
    backup.save(update_fields=["pinned", "pinned_reason"])
    record(Verb.UNPINNED, backup)


def undo_marks(marks: Iterable[Deletion], *, reason: str, now: datetime) -> None:
    """Undo these deletions, and those of all that the copies need in the same repository.

    The caller holds the lock on the rows of the copies.
    """
    who = current_actor().name
    for mark in marks:
        needed = Q(copy__backup__descendants__backup=mark.copy.backup_id)
        same = Q(copy=mark.copy_id) | needed & Q(copy__repository=mark.copy.repository_id)
        for each in Deletion.objects.filter(same, status=DeletionStatus.MARKED).distinct():
            if undo_deletion(each, DeletionStatus.KEPT, who=who, reason=reason, now=now):
                record(Verb.KEPT, each.copy, details={"reason": reason})


def lock_copies_of(backup: Backup) -> None:
    """Make a purge of the instance that decides meanwhile wait, in the order it locks itself."""
    copies = BackupCopy.objects.filter(backup__instance=backup.instance_id)
    list(copies.select_for_update(of=("self",)).order_by("id"))


def _marks_of(backup: Backup) -> QuerySet[Deletion]:
    return Deletion.objects.filter(copy__backup=backup, status=DeletionStatus.MARKED)


def _lock(backup: Backup) -> Backup:
    """Return its row; Refused without a stored copy. A purge that decides meanwhile waits."""
    lock_copies_of(backup)
    if not BackupCopy.objects.filter(backup=backup, status=CopyStatus.STORED).exists():
        raise Refused(f"{backup} has no stored copy that could be kept")
    return Backup.objects.select_for_update(of=("self",)).get(pk=backup.pk)


def _write(backup: Backup, until: datetime | None, reason: str, who: str) -> None:
    backup.held_until, backup.held_reason, backup.held_by = until, reason, who[:150]
    backup.save(update_fields=["held_until", "held_reason", "held_by"])
