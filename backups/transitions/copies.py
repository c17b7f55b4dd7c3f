"""Who may write the status of a copy? Only this module."""

from __future__ import annotations

from datetime import datetime

from backups.exceptions import IllegalTransition
from backups.models import BackupCopy
from backups.states import COPY_MOVES, CopyStatus


def expire_copy(copy: BackupCopy, *, reason: str, now: datetime) -> bool:
    """Record that a copy is to be deleted, and why, before any of its bytes are."""
    return _move_copy(copy, CopyStatus.EXPIRED, now, expire_reason=reason)


def purge_copy(copy: BackupCopy, *, now: datetime) -> bool:
    """Record that a copy's bytes are deleted."""
    return _move_copy(copy, CopyStatus.PURGED, now)


def _move_copy(copy: BackupCopy, to: CopyStatus, now: datetime, **values: str) -> bool:
    old = CopyStatus(copy.status)
    if to not in COPY_MOVES[old]:
        raise IllegalTransition(f"{copy}: {old} to {to}")
    won = BackupCopy.objects.filter(pk=copy.pk, status=old).update(
        status=to, status_since=now, **values
    )
    copy.refresh_from_db()
    return bool(won)
