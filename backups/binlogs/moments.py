"""Which moment does a person mean? Pure.

A recovery to the wrong hour looks right until somebody misses rows, so the zone is always written,
and a time that the clock shows twice or never is refused with what to write instead.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from backups.exceptions import BadInput
from backups.wall_clock import Shown, moment_of, shown, zone

_HINT = "Write it as 2026-03-02 14:05:00 UTC, with +01:00, or with a zone such as Europe/Berlin."
# A date, a time, and what is left is the zone.
_PARTS = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)\s*(\S+)?", re.ASCII
)
_OFFSET = re.compile(r"[+-]\d{2}:?\d{2}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_moment(text: str, default_zone: str = "") -> datetime:
    """Return the moment in UTC, or raise BadInput; ``default_zone`` where the text has none."""
    match = _PARTS.fullmatch(text.strip())
    where = (match[3] or default_zone) if match else ""
    if match is None or not where:
        raise BadInput(f"{text!r} is no moment with its zone", hint=_HINT)
    try:
        wall = datetime.fromisoformat(f"{match[1]}T{match[2]}")
        if where == "Z":
            return wall.replace(tzinfo=UTC)
        if _OFFSET.fullmatch(where):
            return datetime.fromisoformat(f"{wall.isoformat()}{where}").astimezone(UTC)
        return _in_zone(text, wall, zone(where))
    except (ValueError, OverflowError):
        raise BadInput(f"{text!r} is no moment", hint=_HINT) from None


def to_micros(moment: datetime) -> int:
    """Return microseconds since the epoch: as an index counts."""
    past = moment - _EPOCH
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


def from_micros(micros: int) -> datetime:
    """Return the moment of a number of an index."""
    return datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)


def _in_zone(text: str, wall: datetime, where: ZoneInfo) -> datetime:
    times = shown(wall, where)
    if times is Shown.TWICE:
        first, second = (wall.replace(tzinfo=where, fold=fold).isoformat() for fold in (0, 1))
        raise BadInput(
            f"{text!r} happens twice: clocks go back over it",
            hint=f"Write {first} for the first time, {second} for the second.",
        )
    if times is Shown.NEVER:
        after = moment_of(wall, where).astimezone(where)
        raise BadInput(
            f"{text!r} does not exist: clocks go forward over it",
            hint=f"The next moment is {after.isoformat()}.",
        )
    return moment_of(wall, where)
