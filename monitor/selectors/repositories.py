"""Which repositories are there, what do they hold, and are they encrypted?"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Sum

from backups.models import Backup, BackupCopy, Instance, Repository
from backups.states import CopyStatus


@dataclass(frozen=True, slots=True)
class RepositoryRow:
    """One repository and its totals."""

    repository: Repository
    copy_count: int
    stored_bytes: int
    newest_backup: Backup | None
    # Share of the bytes of all repositories, in percent.
    share: float = 0.0
    # Whether it is known to be on the disk of an instance that has copies in it.
    shares_disk: bool = False


def list_repositories() -> list[RepositoryRow]:
    """Return every repository with the totals of its stored copies."""
    # Grouped by a column of the copies: an index-only query.
    totals = {
        row["repository"]: row
        for row in BackupCopy.objects.filter(
            status=CopyStatus.STORED, repository__in=Repository.objects.values("pk")
        )
        .order_by()
        .values("repository")
        .annotate(count=Count("pk"), bytes=Sum("stored_bytes"), newest=Max("backup"))
    }
    newest = Backup.objects.in_bulk([row["newest"] for row in totals.values()])
    total = sum(row["bytes"] for row in totals.values())
    rows = []
    for repository in Repository.objects.annotate(shares_disk=Exists(_on_its_disk())):
        row = totals.get(repository.pk, {"count": 0, "bytes": 0, "newest": 0})
        share = row["bytes"] * 100 / total if total else 0.0
        backup = newest.get(row["newest"])
        rows.append(
            RepositoryRow(
                repository,
                row["count"],
                row["bytes"],
                backup,
                round(share, 1),
                repository.shares_disk,
            )
        )
    return rows


def _on_its_disk() -> QuerySet[Instance]:
    """Return the instances with copies in a repository whose data is on its disk."""
    # Nested, not joined: a plan that begins with all copies of a repository would read them all.
    copies = BackupCopy.objects.filter(
        status=CopyStatus.STORED,
        backup=OuterRef("pk"),
        repository=OuterRef(OuterRef(OuterRef("pk"))),
    )
    backups = Backup.objects.filter(Exists(copies), instance=OuterRef("pk"))
    return Instance.objects.filter(Exists(backups), data_device=OuterRef("device"))


def list_enabled() -> list[Repository]:
    """Return the repositories that new backups can be written to."""
    return list(Repository.objects.filter(enabled=True))


def list_unencrypted_names() -> list[str]:
    """Return the names of repositories with unencrypted backups."""
    clear = BackupCopy.objects.filter(
        repository=OuterRef("pk"), status=CopyStatus.STORED, key_id=""
    )
    names = Repository.objects.filter(Q(encrypted=False) | Exists(clear)).order_by("name")
    return list(names.values_list("name", flat=True))
