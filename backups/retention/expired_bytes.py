"""How are the bytes of expired backups deleted by somebody else than the workers?

In a write-only repository the workers' credentials need no right to delete. A person or a timer on
another host, with credentials of its own, deletes what retention has given up: nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from backups.access import checked_store
from backups.binlogs.segments.names import manifest_of
from backups.exceptions import MooringError
from backups.models import BackupCopy, Repository, SegmentCopy
from backups.retention.locked import lock_of
from backups.states import CopyStatus
from backups.transitions.copies import purge_copy
from backups.transitions.deletions import finish_deletions


@dataclass(frozen=True, slots=True)
class DeletedBytes:
    """The result for one expired copy."""

    label: str
    freed_bytes: int = 0
    # Why it is still there; blank if it is not.
    kept: str = ""


def delete_expired_pieces(deleter: Repository) -> int:
    """Delete the bytes of expired pieces of binlogs; return of how many. A tick deletes rows."""
    store, deleted = checked_store(deleter), 0
    expired = SegmentCopy.objects.filter(repository=deleter.pk, expired_at__isnull=False)
    for path in expired.order_by("pk").values_list("path", flat=True).iterator(500):
        # Without its manifest it is no segment.
        store.remove(manifest_of(path))
        store.remove(path)
        deleted += 1
    return deleted


def delete_expired_copies(deleter: Repository, now: datetime) -> Iterator[DeletedBytes]:
    """Delete the bytes of the expired copies of a repository, yielding each.

    ``deleter`` is its row with the credentials to use, which is not saved.
    """
    store = checked_store(deleter)
    expired = BackupCopy.objects.filter(repository=deleter.pk, status=CopyStatus.EXPIRED)
    for copy in expired.select_related("backup", "repository").order_by("-backup__ended_at"):
        label = copy.backup.label
        if (lock := lock_of(copy.locked_until, now)) is not None:
            yield DeletedBytes(label, kept=lock.reason)
            continue
        try:
            freed = store.remove_tree(copy.path)
        except MooringError as exc:
            yield DeletedBytes(label, kept=str(exc))
            continue
        with transaction.atomic():
            purge_copy(copy, now=now)
            finish_deletions(copy, now)
        yield DeletedBytes(label, freed)
