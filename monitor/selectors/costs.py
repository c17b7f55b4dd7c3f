"""What do a copy, a restore and a repository cost, in words? Estimates, by its price list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from backups.models import BackupCopy, Repository
from backups.repositories.prices import requests_to_read, requests_to_write

# The days that the forecast looks ahead.
AHEAD = 30


@dataclass(frozen=True, slots=True)
class CopyCost:
    """What one copy costs."""

    month: str
    written: str


@dataclass(frozen=True, slots=True)
class RepositoryCost:
    """What a repository costs a month, and will in 30 days; blank where no trend is known."""

    month: str
    ahead: str = ""


def has_costs(repository: Repository) -> bool:
    """Whether costs are of interest: of a folder without prices they are not."""
    return not (repository.is_folder and repository.prices.empty)


def copy_cost(copy: BackupCopy) -> CopyCost | None:
    """Return the costs of a copy; None where they are of no interest."""
    if not has_costs(copy.repository):
        return None
    prices = copy.repository.prices
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
    repository: Repository, stored_bytes: int, daily_growth: int | None
) -> RepositoryCost | None:
    """Return what the bytes of a repository cost; None where that is of no interest."""
    if not has_costs(repository):
        return None
    prices = repository.prices
    month = prices.month(stored_bytes)
    if month is None or daily_growth is None:
        return RepositoryCost(prices.written(month))
    later = max(0, stored_bytes + AHEAD * daily_growth)
    return RepositoryCost(prices.written(month), prices.written(prices.month(later)))
