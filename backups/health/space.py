"""How full are the repositories, and when will one be full?

Measured by a tick, so that no page waits for a disk that does not respond.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum

from backups.access import store_of
from backups.exceptions import MooringError
from backups.health.each_repository import ask_each
from backups.models import Repository, RepositorySpace, SegmentCopy
from backups.schedule import LONGEST

logger = logging.getLogger(__name__)

KEPT_FOR = timedelta(days=30)
# A trend over less time reflects a single backup rather than the weeks to come.
SHORTEST_TREND = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Sample:
    """The free space of a repository at one moment."""

    measured_at: datetime
    free_bytes: int


def measure_repositories(now: datetime) -> int:
    """Measure every enabled repository; return how many could be. Deletes old samples."""
    measured = 0
    for repository, found in ask_each(Repository.objects.filter(enabled=True), _look):
        measured += _note(repository, found, now)
    RepositorySpace.objects.filter(measured_at__lt=now - KEPT_FOR).delete()
    return measured


def has_trend(samples: Sequence[Sample]) -> bool:
    """Whether ``samples`` span enough time to extrapolate."""
    if len(samples) < 2:
        return False
    times = [sample.measured_at for sample in samples]
    return max(times) - min(times) >= SHORTEST_TREND


def forecast_full(samples: Sequence[Sample]) -> datetime | None:
    """Extrapolate ``samples`` to the moment when nothing is free; None if there is none.

    Least squares. Also None without a trend: see ``has_trend``.
    """
    if not has_trend(samples):
        return None
    start = min(sample.measured_at for sample in samples)
    ages = [(sample.measured_at - start).total_seconds() for sample in samples]
    middle_age = sum(ages) / len(ages)
    middle_free = sum(sample.free_bytes for sample in samples) / len(samples)
    spread = sum((age - middle_age) ** 2 for age in ages)
    slope = (
        sum(
            (age - middle_age) * (sample.free_bytes - middle_free)
            for age, sample in zip(ages, samples, strict=True)
        )
        / spread
    )
    newest = max(samples, key=lambda sample: sample.measured_at)
    # Slower growth takes more than a century: treated as never, as it may not be a valid date.
    if -slope * LONGEST.total_seconds() < max(newest.free_bytes, 1):
        return None
    return newest.measured_at + timedelta(seconds=newest.free_bytes / -slope)


def _look(repository: Repository) -> tuple[int | None, int | None]:
    """Return free and total space."""
    store = store_of(repository)
    return store.free_bytes(), store.total_bytes()


def _note(
    repository: Repository, found: tuple[int | None, int | None] | MooringError, now: datetime
) -> bool:
    """Store what was found; return whether it could be."""
    if isinstance(found, MooringError):
        logger.warning(
            "repository %s cannot be measured: %s",
            repository,
            found,
            extra={"action": "measure_failed", "repository": repository.name},
        )
        RepositorySpace.objects.create(repository=repository, measured_at=now, error=str(found))
        return False
    free_bytes, total_bytes = found
    binlogs = SegmentCopy.objects.filter(repository=repository, expired_at=None)
    RepositorySpace.objects.create(
        repository=repository,
        measured_at=now,
        free_bytes=free_bytes,
        total_bytes=total_bytes,
        binlog_bytes=binlogs.aggregate(total=Sum("stored_bytes"))["total"] or 0,
    )
    return True
