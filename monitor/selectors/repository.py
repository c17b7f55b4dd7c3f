"""How full is a repository, when will it be full, and how many of its copies are checked?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.core.paginator import Page, Paginator
from django.db.models import Count, Max, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils.timezone import localdate

from backups.health.space import Sample, forecast_full, has_trend
from backups.models import BackupCopy, Deletion, Evidence, Repository, RepositorySpace
from backups.states import CopyStatus, DeletionStatus, Operation
from monitor.selectors.proof import UNPROVEN, ProofSummary, load_proofs
from monitor.selectors.repositories import RepositoryRow, list_repositories
from monitor.selectors.repository_usage import (
    InstanceUsage,
    load_binlog_growth,
    load_grown,
    load_usage,
)

PAGE_SIZE = 15
TREND = timedelta(days=7)
GROWTH_DAYS = 90
MONTH = timedelta(days=30)
# Measured every few minutes: one sample per hour is enough for a week.
SAMPLE_MINUTES = 10
# With less free space than this, the tone is a warning.
LOW_SPACE = 0.1


@dataclass(frozen=True, slots=True)
class Space:
    """The newest measurement and the forecast. None is unknown."""

    measured_at: datetime | None = None
    free_bytes: int | None = None
    total_bytes: int | None = None
    error: str = ""
    full_at: datetime | None = None
    # Without ``full_at``: whether the forecast says that it will not fill up.
    never_full: bool = False
    # What stored binlogs take; None: not measured.
    binlog_bytes: int | None = None

    @property
    def used_percent(self) -> int | None:
        if self.free_bytes is None or not self.total_bytes:
            return None
        return round(100 * (1 - self.free_bytes / self.total_bytes))

    @property
    def tone(self) -> str:
        """The tone of the badge; blank if all is well."""
        if self.error:
            return "bad"
        percent = self.used_percent
        return "warn" if percent is not None and percent > 100 * (1 - LOW_SPACE) else ""


NOT_MEASURED = Space()


@dataclass(frozen=True, slots=True)
class ProvenCopies:
    """How many of the stored copies were checked, and when last."""

    verified: int = 0
    restore_tested: int = 0
    failed: int = 0
    last_verify: datetime | None = None


@dataclass(frozen=True, slots=True)
class RepositoryOverview:
    """One repository in the list."""

    row: RepositoryRow
    space: Space
    proven: ProvenCopies
    # Written minus purged in the last month, binlogs included.
    grown_bytes: int


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key of stored copies; blank: unencrypted."""

    key_id: str
    copies: int
    fault: str


@dataclass(frozen=True, slots=True)
class DayTotal:
    """The bytes stored at the end of a day."""

    day: date
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class RepositoryView:
    """The page of a repository."""

    overview: RepositoryOverview
    keys: list[KeyRow]
    days: list[DayTotal]
    copies: Page[BackupCopy]
    proofs: Mapping[int, ProofSummary]
    # Of the instances that use most.
    usage: Sequence[InstanceUsage]
    # By copy, what those on the page are marked for.
    marks: Mapping[int, Deletion]

    @property
    def rows(self) -> list[tuple[BackupCopy, ProofSummary, Deletion | None]]:
        return [
            (copy, self.proofs.get(copy.backup_id, UNPROVEN), self.marks.get(copy.pk))
            for copy in self.copies
        ]

    @property
    def daily_growth(self) -> int | None:
        """Bytes per day over the last month; None with less than a month of data."""
        if len(self.days) <= 30:
            return None
        return (self.days[-1].stored_bytes - self.days[-31].stored_bytes) // 30


def list_overviews(now: datetime) -> list[RepositoryOverview]:
    """Return every repository, in a fixed number of queries."""
    rows = list_repositories()
    spaces, proven, grown = load_spaces(now), load_proven(), load_grown(now - MONTH)
    binlogs = load_binlog_growth(now - MONTH)
    return [
        RepositoryOverview(
            row,
            spaces.get(row.repository.pk, NOT_MEASURED),
            proven.get(row.repository.pk, ProvenCopies()),
            grown.get(row.repository.pk, 0) + binlogs.get(row.repository.pk, 0),
        )
        for row in rows
    ]


def load_repository(repository: Repository, now: datetime, page: str | None) -> RepositoryView:
    overview = next(o for o in list_overviews(now) if o.row.repository.pk == repository.pk)
    stored = BackupCopy.objects.filter(repository=repository, status=CopyStatus.STORED)
    newest = stored.select_related("backup__instance").order_by("-backup__ended_at", "-id")
    copies = Paginator(newest, PAGE_SIZE).get_page(page)
    proofs = load_proofs([copy.backup_id for copy in copies])
    usage = load_usage(repository, now - MONTH)
    marked = Deletion.objects.filter(
        copy__in=[copy.pk for copy in copies], status=DeletionStatus.MARKED
    )
    marks = {mark.copy_id: mark for mark in marked}
    return RepositoryView(
        overview, _keys(stored), load_growth(repository, now), copies, proofs, usage, marks
    )


def load_spaces(now: datetime) -> dict[int, Space]:
    """Map repositories to their newest measurement and forecast."""
    samples: defaultdict[int, list[Sample]] = defaultdict(list)
    hourly = RepositorySpace.objects.filter(
        measured_at__gte=now - TREND, measured_at__minute__lt=SAMPLE_MINUTES
    )
    for row in hourly.exclude(free_bytes=None).order_by("measured_at"):
        samples[row.repository_id].append(Sample(row.measured_at, row.free_bytes or 0))
    newest = RepositorySpace.objects.order_by().values("repository").annotate(newest=Max("id"))
    return {
        row.repository_id: _space(row, samples[row.repository_id])
        for row in RepositorySpace.objects.filter(pk__in=newest.values("newest"))
    }


def _space(row: RepositorySpace, trend: Sequence[Sample]) -> Space:
    # Without a present measurement, the space may have changed: no forecast.
    known = row.free_bytes is not None and has_trend(trend)
    full_at = forecast_full(trend) if known else None
    return Space(
        row.measured_at,
        row.free_bytes,
        row.total_bytes,
        row.error,
        full_at,
        never_full=known and full_at is None,
        binlog_bytes=row.binlog_bytes,
    )


def load_proven() -> dict[int, ProvenCopies]:
    """Count, per repository, the stored copies by the result of their newest check."""
    newest = (
        Evidence.objects.current()
        .filter(copy__status=CopyStatus.STORED)
        .order_by()
        .values("copy", "operation")
        .annotate(newest=Max("id"))
    )
    evidence = Evidence.objects.filter(pk__in=newest.values("newest")).order_by()
    verify, test = Q(operation=Operation.VERIFY), Q(operation=Operation.RESTORE_TEST)
    counted = evidence.values("copy__repository").annotate(
        verified=Count("id", filter=verify & Q(passed=True)),
        restore_tested=Count("id", filter=test & Q(passed=True)),
        failed=Count("copy", filter=Q(passed=False), distinct=True),
        last_verify=Max("created_at", filter=verify),
    )
    return {
        row["copy__repository"]: ProvenCopies(
            row["verified"], row["restore_tested"], row["failed"], row["last_verify"]
        )
        for row in counted
    }


def load_growth(repository: Repository, now: datetime) -> list[DayTotal]:
    """Return the bytes stored at the end of each day: written minus purged."""
    copies = BackupCopy.objects.filter(repository=repository).order_by()
    written = _by_day(copies.annotate(day=TruncDate("backup__ended_at")))
    purged_copies = copies.filter(status=CopyStatus.PURGED)
    purged = _by_day(purged_copies.annotate(day=TruncDate("status_since")))
    if not written:
        return []
    today = localdate(now)
    first = max(min(written), today - timedelta(days=GROWTH_DAYS))
    total = _before(written, first) - _before(purged, first)
    days = []
    for n in range((today - first).days + 1):
        day = first + timedelta(days=n)
        total += written.get(day, 0) - purged.get(day, 0)
        days.append(DayTotal(day, max(0, total)))
    return days


def _by_day(copies: QuerySet[BackupCopy]) -> dict[date, int]:
    # The annotation of the caller is not known to the types.
    rows: Iterable[tuple[date, int]] = copies.values_list("day").annotate(Sum("stored_bytes"))  # type: ignore[misc]
    return dict(rows)


def _before(by_day: Mapping[date, int], first: date) -> int:
    return sum(size for day, size in by_day.items() if day < first)


def _keys(stored: QuerySet[BackupCopy]) -> list[KeyRow]:
    counted: Sequence[tuple[str, int, str]] = list(
        stored.order_by("key_id").values_list("key_id").annotate(Count("id"), Max("key_fault"))
    )
    return [KeyRow(*row) for row in counted]
