"""Which copies could a restore read now, according to the last checks?"""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from backups.models import BackupAncestor, BackupCopy
from backups.states import CopyStatus


def usable_copies() -> QuerySet[BackupCopy]:
    """Return the copies that can be read, with every backup they need in the same repository."""
    there = _readable().filter(
        backup=OuterRef("ancestor"), repository=OuterRef(OuterRef("repository"))
    )
    missing = BackupAncestor.objects.filter(~Exists(there), backup=OuterRef("backup"))
    return _readable().filter(~Exists(missing))


def _readable() -> QuerySet[BackupCopy]:
    return BackupCopy.objects.filter(
        status=CopyStatus.STORED, fault="", key_fault="", repository__fault=""
    )
