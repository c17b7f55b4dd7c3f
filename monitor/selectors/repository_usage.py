"""Which instances use a repository, and how fast does it grow?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, Sum

from backups.models import BackupCopy, Repository
from backups.states import CopyStatus

# On the page of a repository, the largest first.
INSTANCES_SHOWN = 10


@dataclass(frozen=True, slots=True)
class InstanceUsage:
    """What one instance stores in a repository."""

    instance: str
    copies: int
    stored_bytes: int
    # Of that, written in the last month.
    written_bytes: int


def load_usage(repository: Repository, since: datetime) -> Sequence[InstanceUsage]:
    """Return the instances that store most in a repository."""
    stored = BackupCopy.objects.filter(repository=repository, status=CopyStatus.STORED)
    counted = (
        stored.order_by()
        .values("backup__instance__name")
        .annotate(
            copies=Count("pk"),
            bytes=Sum("stored_bytes"),
            written=Sum("stored_bytes", filter=Q(backup__ended_at__gte=since)),
        )
        .order_by("-bytes", "backup__instance__name")
    )
    return [
        InstanceUsage(
            row["backup__instance__name"], row["copies"], row["bytes"], row["written"] or 0
        )
        for row in counted[:INSTANCES_SHOWN]
    ]


def load_grown(since: datetime) -> dict[int, int]:
    """Map repositories to the bytes written minus those purged since a moment."""
    grown: dict[int, int] = {}
    written = BackupCopy.objects.filter(backup__ended_at__gte=since)
    purged = BackupCopy.objects.filter(status=CopyStatus.PURGED, status_since__gte=since)
    for copies, sign in ((written, 1), (purged, -1)):
        totals = copies.order_by().values_list("repository").annotate(Sum("stored_bytes"))
        for repository, size in totals:
            grown[repository] = grown.get(repository, 0) + sign * size
    return grown
