"""What do a copy, a restore and a repository cost, in words? By its price list.

With the requests that were counted, where a job's were; otherwise with estimates from sizes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Sum

from backups.models import BackupCopy, Job, JobUsage, Repository
from backups.repositories.prices import Requests, requests_to_read, requests_to_write
from backups.units import format_bytes, format_count

# The days that the forecast looks ahead.
AHEAD = 30


@dataclass(frozen=True, slots=True)
class CopyCost:
    """What one copy costs."""

    month: str
    written: str
    # How the requests are known: "counted" or "estimated".
    basis: str = "estimated"


@dataclass(frozen=True, slots=True)
class RepositoryCost:
    """What a repository costs a month, and will in 30 days; blank where no trend is known."""

    month: str
    ahead: str = ""
    # What the counted requests of the last 30 days cost, egress included; blank without any.
    requests: str = ""


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one repository was asked by a job."""

    repository: str
    requests: str
    sent_bytes: int
    received_bytes: int
    # Blank where costs are of no interest.
    cost: str = ""


def has_costs(repository: Repository) -> bool:
    """Whether costs are of interest: of a folder without prices they are not."""
    return not (repository.is_folder and repository.prices.empty)


def copy_cost(copy: BackupCopy) -> CopyCost | None:
    """Return the costs of a copy; None where they are of no interest."""
    if not has_costs(copy.repository):
        return None
    prices = copy.repository.prices
    # A job that left the repository half-way has sent less: another one made the copy later.
    counted = JobUsage.objects.filter(
        job=copy.backup.made_by_id,
        repository=copy.repository,
        sent_bytes__gte=copy.stored_bytes,
    )
    if (usage := counted.first()) is not None:
        month = prices.written(prices.month(copy.stored_bytes))
        return CopyCost(month, prices.written(prices.writing(_charged(usage))), "counted")
    locked = bool(copy.repository.lock_mode)
    # Its packs and its manifest.
    requests = requests_to_write(copy.stored_bytes, copy.pack_count + 1, locked=locked)
    return CopyCost(
        prices.written(prices.month(copy.stored_bytes)),
        prices.written(prices.writing(requests)),
    )


def reading_cost(copies: Iterable[BackupCopy]) -> str:
    """Return what reading all of some copies of a repository costs; blank if of no interest."""
    chain = list(copies)
    if not chain or not has_costs(chain[0].repository):
        return ""
    read_bytes = sum(copy.stored_bytes for copy in chain)
    objects = sum(copy.pack_count + 1 for copy in chain)
    prices = chain[0].repository.prices
    return prices.written(prices.reading(read_bytes, requests_to_read(read_bytes, objects)))


def repository_cost(
    repository: Repository, stored_bytes: int, daily_growth: int | None, now: datetime
) -> RepositoryCost | None:
    """Return what the bytes of a repository cost; None where that is of no interest."""
    if not has_costs(repository):
        return None
    prices = repository.prices
    month, requests = prices.month(stored_bytes), _requests_of_month(repository, now)
    if month is None or daily_growth is None:
        return RepositoryCost(prices.written(month), requests=requests)
    later = max(0, stored_bytes + AHEAD * daily_growth)
    return RepositoryCost(prices.written(month), prices.written(prices.month(later)), requests)


def usage_rows(job: Job) -> list[UsageRow]:
    """Return what a job asked of each of its repositories, as counted."""
    return [
        UsageRow(
            usage.repository.name,
            usage.in_words,
            usage.sent_bytes,
            usage.received_bytes,
            _cost_of(usage) if has_costs(usage.repository) else "",
        )
        for usage in job.usage.select_related("repository")
    ]


def _charged(usage: JobUsage) -> Requests:
    # Stores charge nothing for deletions.
    return Requests(usage.puts + usage.lists, usage.gets + usage.heads)


def _cost_of(usage: JobUsage) -> str:
    prices = usage.repository.prices
    return prices.written(prices.reading(usage.received_bytes, _charged(usage)))


def _requests_of_month(repository: Repository, now: datetime) -> str:
    counted = JobUsage.objects.filter(
        repository=repository, counted_at__gt=now - timedelta(days=AHEAD)
    )
    names = ("puts", "gets", "lists", "heads", "received_bytes", "sent_bytes")
    sums = counted.aggregate(jobs=Count("pk"), **{name: Sum(name) for name in names})
    if not sums["jobs"]:
        return ""
    requests = Requests(sums["puts"] + sums["lists"], sums["gets"] + sums["heads"])
    prices = repository.prices
    cost = prices.written(prices.reading(sums["received_bytes"], requests))
    return (
        f"{cost} for {format_count(requests.writes + requests.reads, 'request')} and "
        f"{format_bytes(sums['received_bytes'])} received, counted in "
        f"{format_count(sums['jobs'], 'job')}"
    )
