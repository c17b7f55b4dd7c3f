"""What is wanted of a copy: how much may its instance notice of it, and how fast may it read?"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from backups.pacing.hours import HourLimits, parse_hours

# A factor below would call the usual ups and downs of a server slow.
LEAST_FACTOR = 1.5
MOST_FACTOR = 1000.0


class PaceColumns(Protocol):
    """What an instance or a schedule says; None and blank leave it to whoever comes next."""

    pace_factor: float | None
    pace_lag_seconds: int | None
    pace_bytes_per_s: int | None
    pace_hours: str


@dataclass(frozen=True, slots=True)
class PaceTarget:
    """What a copy keeps to. Zero: not watched, and no limit."""

    # How many times as long as before the copy the statements of the instance may take.
    factor: float = 0
    # How many seconds replicas may be behind.
    lag_seconds: int = 0
    bytes_per_s: int = 0
    hours: HourLimits = field(default_factory=HourLimits)
    # Of hours that name none.
    time_zone: str = "UTC"

    def limit_at(self, at: datetime) -> int | None:
        """Return the configured limit in bytes per second; None is no limit."""
        # Without any, a zone that this host does not know is of no account.
        if self.hours.limits and (hour := self.hours.find(at, self.time_zone)):
            return hour.bytes_per_s
        return self.bytes_per_s or None


def decide_target(
    defaults: PaceTarget, *columns: PaceColumns, time_zone: str = "", with_hours: bool = True
) -> PaceTarget:
    """Return the target: each value of the first of ``columns`` that names one, or the default.

    BadInput where limits by hours cannot be read, unless they are left out.
    """
    factor, lag, limit, hours = (
        defaults.factor, defaults.lag_seconds, defaults.bytes_per_s, defaults.hours,
    )  # fmt: skip
    for row in reversed(columns):
        factor = factor if row.pace_factor is None else row.pace_factor
        lag = lag if row.pace_lag_seconds is None else row.pace_lag_seconds
        limit = limit if row.pace_bytes_per_s is None else row.pace_bytes_per_s
        if with_hours and row.pace_hours.strip():
            hours = parse_hours(row.pace_hours)
    return PaceTarget(factor, lag, limit, hours, time_zone or defaults.time_zone)
