"""Which limit holds at an hour of the day?

A text such as ``08:00-18:00 20M, 18:00-20:00 50M``, optionally after a time zone:
``Europe/Berlin 08:00-18:00 20M``. Bytes per second; K, M, G and T are powers of 1024, ``full`` is
no limit. Hours that are not named have the limit of the rest of the day.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time

from backups.exceptions import BadInput
from backups.wall_clock import zone

LONGEST_TEXT = 300
# More than any disk reads; and it fits into its column.
MOST_BYTES_PER_S = 1 << 50
FULL = "full"
_HINT = "Write it as in 08:00-18:00 20M, 22:00-06:00 full."
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_RATE = re.compile(r"(\d{1,15}(?:\.\d{1,3})?)([KMGT]?)(?:i?B)?(?:/s)?", re.ASCII | re.IGNORECASE)
_ENTRY = re.compile(r"(\d{1,2}:\d\d)\s*-\s*(\d{1,2}:\d\d)\s+(\S+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class HourLimit:
    """A limit between two times of the day, which may be of two days. None: no limit."""

    begins: time
    ends: time
    bytes_per_s: int | None

    def holds(self, at: time) -> bool:
        if self.begins < self.ends:
            return self.begins <= at < self.ends
        return at >= self.begins or at < self.ends


@dataclass(frozen=True, slots=True)
class HourLimits:
    """Limits by hours, in a time zone; blank: the zone that whoever reads them assumes."""

    limits: tuple[HourLimit, ...] = ()
    zone: str = ""

    def find(self, at: datetime, default_zone: str) -> HourLimit | None:
        """Return the limit that is named for ``at``; None if that hour has none of its own."""
        wall = at.astimezone(zone(self.zone or default_zone)).time().replace(tzinfo=None)
        return next((limit for limit in self.limits if limit.holds(wall)), None)


def parse_rate(text: str) -> int | None:
    """Read ``20M`` as bytes per second, ``full`` as None; BadInput for anything else."""
    text = text.strip()
    if text.lower() == FULL:
        return None
    match = _RATE.fullmatch(text)
    rate = int(float(match[1]) * 1024 ** _POWERS[match[2].upper()]) if match else 0
    if not 0 < rate <= MOST_BYTES_PER_S:
        raise BadInput(f"{text!r} is not a rate", hint="Write it as in 20M, or full for no limit.")
    return rate


def parse_hours(text: str) -> HourLimits:
    """Read limits by hours, or raise BadInput."""
    if len(text) > LONGEST_TEXT:
        raise BadInput(f"the limits by hours are longer than {LONGEST_TEXT} characters")
    head, _, rest = text.strip().partition(" ")
    named = head if head and not head[0].isdigit() else ""
    if named:
        zone(named)
    entries = [entry.strip() for entry in (rest if named else text).split(",") if entry.strip()]
    if named and not entries:
        raise BadInput("the limits by hours name a time zone and no hours", hint=_HINT)
    limits = tuple(map(_parse_entry, entries))
    _refuse_overlap(limits)
    return HourLimits(limits, named)


def _parse_entry(entry: str) -> HourLimit:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise BadInput(f"{entry!r} is not a limit by hours", hint=_HINT)
    limit = HourLimit(_parse_time(match[1]), _parse_time(match[2]), parse_rate(match[3]))
    if limit.begins == limit.ends:
        raise BadInput(f"{entry!r} begins when it ends", hint=_HINT)
    return limit


def _parse_time(text: str) -> time:
    hours, minutes = map(int, text.split(":"))
    try:
        return time(hours % 24 if (hours, minutes) == (24, 0) else hours, minutes)
    except ValueError:
        raise BadInput(f"{text!r} is not a time of the day", hint=_HINT) from None


def _refuse_overlap(limits: tuple[HourLimit, ...]) -> None:
    for number, one in enumerate(limits):
        for other in limits[number + 1 :]:
            if one.holds(other.begins) or other.holds(one.begins):
                raise BadInput(
                    f"two limits hold at {max(one.begins, other.begins):%H:%M}", hint=_HINT
                )
