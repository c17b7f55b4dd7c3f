"""Which hour, day, week, month and year does a backup belong to, on the clock of a time zone?

Pure. A week begins on Monday, as in ISO 8601. An hour that the clock shows twice is two hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from backups.wall_clock import zone


@dataclass(frozen=True, slots=True)
class PeriodCounts:
    """How many hours, days, weeks, months and years the newest backup is kept of."""

    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0

    def __bool__(self) -> bool:
        return any(self.counts().values())

    def counts(self) -> dict[str, int]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


_NAMES: Mapping[str, Callable[[datetime], str]] = {
    "hourly": lambda at: f"{at:%Y-%m-%d %H:00%z}",
    "daily": lambda at: f"{at:%Y-%m-%d}",
    "weekly": lambda at: f"{at:%G-W%V}",
    "monthly": lambda at: f"{at:%Y-%m}",
    "yearly": lambda at: f"{at:%Y}",
}


def newest_of_periods(
    newest_first: Iterable[datetime], counts: PeriodCounts, time_zone: str
) -> dict[int, list[str]]:
    """Map the position of each backup that stands for a period to what it stands for.

    Periods without a backup are not counted: when backups stop, the old ones stay.
    """
    local = [moment.astimezone(zone(time_zone)) for moment in newest_first]
    kept: dict[int, list[str]] = {}
    for kind, count in counts.counts().items():
        seen: set[str] = set()
        for position, at in enumerate(local):
            if len(seen) >= count:
                break
            name = _NAMES[kind](at)
            if name not in seen:
                seen.add(name)
                kept.setdefault(position, []).append(f"{kind} of {name}, one of {count}")
    return kept
