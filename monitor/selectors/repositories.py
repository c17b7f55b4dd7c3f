"""Where are backups kept, and can anyone read them?"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Max, Q, Sum

from backups.models import Backup, Repository
from backups.states import CopyStatus


@dataclass(frozen=True, slots=True)
class RepositoryRow:
    """One repository and what it holds."""

    repository: Repository
    copy_count: int
    stored_bytes: int
    newest_backup: Backup | None


def list_repositories() -> list[RepositoryRow]:
    """Return every repository with its stored copies counted."""
    stored = Q(copies__status=CopyStatus.STORED)
    repositories = Repository.objects.annotate(
        copy_count=Count("copies", filter=stored),
        copy_bytes=Sum("copies__stored_bytes", filter=stored, default=0),
        newest_backup_id=Max("copies__backup", filter=stored),
    )
    newest = Backup.objects.in_bulk({r.newest_backup_id for r in repositories} - {None})
    return [
        RepositoryRow(r, r.copy_count, r.copy_bytes, newest.get(r.newest_backup_id))
        for r in repositories
    ]


def list_enabled() -> list[Repository]:
    """Return the repositories a new backup may go to."""
    return list(Repository.objects.filter(enabled=True))


def list_unencrypted_names() -> list[str]:
    """Return the names of repositories that keep backups in the clear."""
    open_to_all = Q(encrypted=False) | Q(copies__status=CopyStatus.STORED, copies__key_id="")
    names = Repository.objects.filter(open_to_all).order_by("name").distinct()
    return list(names.values_list("name", flat=True))
