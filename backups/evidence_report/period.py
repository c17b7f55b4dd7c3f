"""Which time and which instances is a report about?"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from backups.exceptions import BadInput

_MONTH = re.compile(r"(\d{4})-(\d{2})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Period:
    """A calendar month in UTC."""

    name: str
    since: datetime
    # The first moment that is no longer in it: the end of the month.
    until: datetime

    def judged_at(self, now: datetime) -> datetime:
        """Return the moment at which controls are judged: its end, or now while it lasts."""
        return min(self.until, now)


def parse_month(text: str, now: datetime) -> Period:
    """Read ``2026-11``; BadInput for anything else, and for a month that has not begun."""
    match = _MONTH.match(text)
    if match is None or not 1 <= int(match[2]) <= 12 or not int(match[1]):
        raise BadInput(f"{text} is not a month", hint="Write it as 2026-11.")
    since = datetime(int(match[1]), int(match[2]), 1, tzinfo=UTC)
    if since > now:
        raise BadInput(f"{text} has not begun")
    return Period(text, since, (since + timedelta(days=32)).replace(day=1))
