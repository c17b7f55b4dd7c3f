"""Which copies could a restore read now, according to the last checks?

And which of them last: what is marked for deletion can be restored until it is deleted, but nothing
may rest on it, neither a green light nor another backup.
"""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from backups.models import BackupAncestor, BackupCopy, Deletion
from backups.states import CHOSEN_KINDS, OPEN_DELETION_STATUSES, CopyStatus


def usable_copies() -> QuerySet[BackupCopy]:
    """Return the copies that can be read, with every backup they need in the same repository."""
    there = _readable().filter(
        backup=OuterRef("ancestor"), repository=OuterRef(OuterRef("repository"))
    )
    missing = BackupAncestor.objects.filter(~Exists(there), backup=OuterRef("backup"))
    return _readable().filter(~Exists(missing))


def lasting_copies() -> QuerySet[BackupCopy]:
    """Return the usable copies that are not marked for deletion.

    What they need is not marked either: a copy is marked only after all that need it.
    """
    return without_marked(usable_copies())


def whole_copies(copies: QuerySet[BackupCopy]) -> QuerySet[BackupCopy]:
    """Leave out what has chosen tables only: it protects no instance and begins no recovery."""
    return copies.exclude(backup__kind__in=CHOSEN_KINDS)


def without_marked(copies: QuerySet[BackupCopy]) -> QuerySet[BackupCopy]:
    """Leave out the copies that are marked for deletion."""
    marked = Deletion.objects.filter(copy=OuterRef("pk"), status__in=OPEN_DELETION_STATUSES)
    return copies.filter(~Exists(marked))


def _readable() -> QuerySet[BackupCopy]:
    return BackupCopy.objects.filter(
        status=CopyStatus.STORED, fault="", key_fault="", repository__fault=""
    )
