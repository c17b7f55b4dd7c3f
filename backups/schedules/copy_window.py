"""Between which times of the day are later copies made? Pure: times on the wall of a zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class CopyWindow:
    """From ``opens`` until ``closes``, over midnight where that is earlier; None: at any time."""

    zone: ZoneInfo
    opens: time | None = None
    closes: time | None = None

    def is_open(self, at: datetime) -> bool:
        if self.opens is None or self.closes is None:
            return True
        wall = at.astimezone(self.zone).time()
        if self.opens < self.closes:
            return self.opens <= wall < self.closes
        return wall >= self.opens or wall < self.closes

    def opens_after(self, at: datetime) -> datetime:
        """Return ``at`` while it is open, otherwise when it opens next."""
        if self.opens is None or self.is_open(at):
            return at
        day = at.astimezone(self.zone).date()
        moments = (
            datetime.combine(day + timedelta(days=days), self.opens, self.zone) for days in (0, 1)
        )
        return next(moment for moment in moments if moment > at)

    def __str__(self) -> str:
        if self.opens is None or self.closes is None:
            return "at once"
        return f"between {self.opens:%H:%M} and {self.closes:%H:%M}, {self.zone}"
