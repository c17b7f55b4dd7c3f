"""How does a person keep a backup whatever its policy decides, and end that?

A pin stays until it is removed. A hold ends by itself: nothing has to run for that. Who set
and released it is in the activity.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from backups.activity import current_actor, record
from backups.exceptions import BadInput, Refused
from backups.models import Backup, BackupCopy
from backups.models.activity import Verb
from backups.schedule import LONGEST
from backups.states import CopyStatus

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
        _write(backup, until, reason, current_actor().name)
        details = {"reason": reason, "until": until.isoformat()}
        record(Verb.HELD, backup, details=details)


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


def unpin_backup(backup: Backup) -> None:
    backup.pinned, backup.pinned_reason = False, ""
    backup.save(update_fields=["pinned", "pinned_reason"])
    record(Verb.UNPINNED, backup)


def _lock(backup: Backup) -> Backup:
    """Return its row; Refused without a stored copy. A purge that decides meanwhile waits."""
    copies = BackupCopy.objects.select_for_update(of=("self",)).filter(backup=backup)
    if CopyStatus.STORED not in [copy.status for copy in copies.order_by("id")]:
        raise Refused(f"{backup} has no stored copy that could be kept")
    return Backup.objects.select_for_update(of=("self",)).get(pk=backup.pk)


def _write(backup: Backup, until: datetime | None, reason: str, who: str) -> None:
    backup.held_until, backup.held_reason, backup.held_by = until, reason, who[:150]
    backup.save(update_fields=["held_until", "held_reason", "held_by"])
