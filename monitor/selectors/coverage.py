"""How many instances have a full, an incremental or no backup of the last days?

One query for any size of fleet: the periodic task keeps the newest of each sort in
InstanceProtection. Disabled instances do not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, QuerySet
from django.http import QueryDict

from backups.models import Instance

# In days; the second is that of the rule about old full backups.
WINDOWS = (1, 7, 30)
USUAL_WINDOW = 7
# What a value of the filter selects, in words.
FILTERS: Mapping[str, str] = {
    "full": "with a full backup",
    "no-full": "without a full backup",
    "incremental": "with an incremental or differential backup",
    "no-incremental": "without an incremental or differential backup",
    "none": "without any backup",
}


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """How many instances have a backup of one sort within the window."""

    word: str
    count: int
    total: int
    # The pages of those with it and without it, and of all by its age, the oldest first.
    with_address: str
    without_address: str
    oldest_address: str

    @property
    def without(self) -> int:
        return self.total - self.count

    @property
    def share(self) -> float:
        return 100 * self.count / self.total if self.total else 0


@dataclass(frozen=True, slots=True)
class WindowChoice:
    """A window that a person can choose."""

    days: int
    address: str
    current: bool

    @property
    def word(self) -> str:
        return "24 h" if self.days == 1 else f"{self.days} days"


@dataclass(frozen=True, slots=True)
class FleetCoverage:
    """The coverage of the fleet, or of a group, within a window."""

    total: int
    rows: tuple[CoverageRow, ...]
    # Without any backup of the window.
    none: int
    none_address: str
    windows: tuple[WindowChoice, ...]
    # What the table below is restricted to, in words; blank if it is not.
    filtered: str
    clear_address: str


def load_coverage(instances: QuerySet[Instance], query: QueryDict, now: datetime) -> FleetCoverage:
    """Count the instances by the sorts of their backups within the chosen window."""
    since = now - timedelta(days=window_of(query))
    full, incremental, none = (
        condition_of(name, since) for name in ("full", "incremental", "none")
    )
    counts = instances.filter(enabled=True).aggregate(
        total=Count("pk"),
        full=Count("pk", filter=full),
        incremental=Count("pk", filter=incremental),
        none=Count("pk", filter=none),
    )
    total, chosen = counts["total"], query.get("coverage", "")
    window = next(backup for backup in _windows(query) if backup.current)
    return FleetCoverage(
        total,
        (
            _row("Full", "full", counts["full"], total, query),
            _row("Incremental", "incremental", counts["incremental"], total, query),
        ),
        counts["none"],
        _address(query, coverage="none"),
        _windows(query),
        f"{FILTERS[chosen]} of the last {window.word}" if chosen in FILTERS else "",
        _address(query, coverage=""),
    )


def covered(instances: QuerySet[Instance], query: QueryDict, now: datetime) -> QuerySet[Instance]:
    """Restrict instances to those that the query string asks for."""
    chosen = query.get("coverage", "")
    if chosen not in FILTERS:
        return instances
    since = now - timedelta(days=window_of(query))
    return instances.filter(condition_of(chosen, since), enabled=True)


def window_of(query: QueryDict) -> int:
    """Return the chosen window in days."""
    given = query.get("within", "")
    days = int(given) if given.isdecimal() else USUAL_WINDOW
    return days if days in WINDOWS else USUAL_WINDOW


def condition_of(name: str, since: datetime) -> Q:
    """Return the condition of a filter. Instances without a row have no backup."""
    full = Q(protection__full_at__gte=since)
    incremental = Q(protection__link_at__gte=since)
    return {
        "full": full,
        "no-full": ~full,
        "incremental": incremental,
        "no-incremental": ~incremental,
        "none": ~(full | incremental),
    }[name]


def _row(word: str, name: str, count: int, total: int, query: QueryDict) -> CoverageRow:
    return CoverageRow(
        word,
        count,
        total,
        _address(query, coverage=name),
        _address(query, coverage=f"no-{name}"),
        _address(query, sort=name),
    )


def _windows(query: QueryDict) -> tuple[WindowChoice, ...]:
    current = window_of(query)
    return tuple(
        WindowChoice(days, _address(query, within=str(days)), days == current) for days in WINDOWS
    )


def _address(query: QueryDict, **changed: str) -> str:
    """Return the address of the page with parameters changed, on its first page."""
    changing = query.copy()
    changing.pop("page", None)
    for name, value in changed.items():
        changing.pop(name, None)
        if value:
            changing[name] = value
    return f"?{changing.urlencode()}"
