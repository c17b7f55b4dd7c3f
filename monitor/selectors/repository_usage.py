"""Which instances use a repository, and how fast does it grow?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, Q, Sum

from backups.models import (
    BackupCopy,
    BinlogTimeline,
    Repository,
    RepositorySpace,
    SegmentCopy,
)
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
    # What its stored binlogs take besides.
    binlog_bytes: int = 0


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
    binlogs = _load_binlogs(repository)
    usage = [
        InstanceUsage(
            name := row["backup__instance__name"],
            row["copies"],
            row["bytes"],
            row["written"] or 0,
            binlogs.pop(name, 0),
        )
        for row in counted
    ]
    usage += [InstanceUsage(name, 0, 0, 0, size) for name, size in binlogs.items()]
    usage.sort(key=lambda each: (-each.stored_bytes - each.binlog_bytes, each.instance))
    return usage[:INSTANCES_SHOWN]


def load_binlog_growth(since: datetime) -> dict[int, int]:
    """Map repositories to how much more their binlogs take than at the first measurement since."""
    measured = RepositorySpace.objects.filter(measured_at__gte=since).exclude(binlog_bytes=None)
    ends = measured.order_by().values("repository").annotate(first=Min("id"), last=Max("id"))
    rows = list(ends.values_list("repository", "first", "last"))
    sizes = RepositorySpace.objects.in_bulk([pk for _, *pks in rows for pk in pks])
    return {
        repository: (sizes[last].binlog_bytes or 0) - (sizes[first].binlog_bytes or 0)
        for repository, first, last in rows
    }


def _load_binlogs(repository: Repository) -> dict[str, int]:
    """Map instances to what their stored binlogs take in a repository."""
    copies = SegmentCopy.objects.filter(repository=repository, expired_at=None).order_by()
    by_timeline = copies.values_list("segment__timeline").annotate(Sum("stored_bytes"))
    sizes = dict(by_timeline)
    names = BinlogTimeline.objects.filter(pk__in=sizes).values_list("pk", "instance__name")
    found: dict[str, int] = {}
    for timeline, name in names:
        found[name] = found.get(name, 0) + sizes[timeline]
    return found


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
