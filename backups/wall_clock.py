"""Which moment does a time on the wall mean?

Pure. Twice a year wall-clock times are ambiguous: a time in a gap does not exist, one in a fold
exists twice.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from backups.exceptions import BadInput

ONE_SECOND = timedelta(seconds=1)


class Shown(enum.Enum):
    """How often the wall clock shows a time."""

    ONCE = "once"
    NEVER = "never"  # clocks go forward over it
    TWICE = "twice"  # clocks go back over it


@cache
def zone(name: str) -> ZoneInfo:
    """Return an IANA zone; BadInput where there is none of that name."""
    if name not in available_timezones():
        raise BadInput(
            f"there is no time zone {name!r}", hint="Write it as in Europe/Berlin, or UTC."
        )
    return ZoneInfo(name)


def shown(wall: datetime, where: ZoneInfo) -> Shown:
    """Say how often the clock shows ``wall``, which carries no zone itself."""
    first, second = _offset(wall, where, 0), _offset(wall, where, 1)
    if first == second:
        return Shown.ONCE
    return Shown.NEVER if first < second else Shown.TWICE


def moment_of(wall: datetime, where: ZoneInfo) -> datetime:
    """Return the moment in UTC: of two the first, in a gap the first after it."""
    if shown(wall, where) is Shown.NEVER:
        return _end_of_gap(wall, where)
    return wall.replace(tzinfo=where, fold=0).astimezone(UTC)


def _end_of_gap(wall: datetime, where: ZoneInfo) -> datetime:
    # Read with the new offset it lies before the change, with the old one after it.
    before = wall.replace(tzinfo=where, fold=1).astimezone(UTC)
    after = wall.replace(tzinfo=where, fold=0).astimezone(UTC)
    new_offset = after.astimezone(where).utcoffset()
    while after - before > ONE_SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if middle.astimezone(where).utcoffset() == new_offset:
            after = middle
        else:
            before = middle
    return after


def _offset(wall: datetime, where: ZoneInfo, fold: int) -> timedelta:
    offset = wall.replace(tzinfo=where, fold=fold).utcoffset()
    assert offset is not None
    return offset
