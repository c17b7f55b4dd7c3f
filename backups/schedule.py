"""When is a schedule next due, and when is a run of it due, late or missed?

Pure functions of a rhythm and of moments: nothing here reads the clock or the database.
A cron expression that names hours follows the wall clock: a due time in a gap runs once, right
after it; one in a fold runs once, at its first passing.
An expression for every hour follows elapsed time.
A rhythm may have an expression of its own for full backups. Where both are due at one moment,
there is one due time, of a full backup.
"""

from __future__ import annotations

import enum
import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

from cronsim import CronSim, CronSimError

from backups.exceptions import BadInput
from backups.wall_clock import Shown, moment_of, shown, zone

INSTANT = timedelta(microseconds=1)
# Added to any realistic moment this is still a valid date; no setting needs to be longer.
LONGEST = timedelta(days=36_500)
EVERY_HOUR = set(range(24))
FIELDS = 5
# How many schedules one may follow: that after which it runs, the one before that, and so on.
MOST_PREDECESSORS = 3
# Two weeks of a daily rhythm.
_DUE_TIMES = 15


class Punctuality(enum.Enum):
    NOT_DUE = "not due"
    DUE = "due"
    LATE = "late"  # past the grace, the window is still open
    MISSED = "missed"  # the window has closed


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a schedule runs: a cron expression in a zone's wall clock, or every N hours."""

    cron: str
    time_zone: str
    every_hours: int | None
    anchor_at: datetime
    # When it takes full backups, besides or instead of the others; blank: no rule for them.
    full_cron: str = ""


@dataclass(frozen=True, slots=True)
class DueTime:
    """One due time of a rhythm, its wall-clock time, and a note on clock changes."""

    at: datetime
    local: datetime
    note: str = ""
    # Due by the rhythm's expression for full backups.
    full: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """The deadlines of one run: it may start from ``starts_at`` to before ``missed_after``."""

    starts_at: datetime
    late_after: datetime
    missed_after: datetime

    def punctuality(self, now: datetime) -> Punctuality:
        """Return the punctuality of a run that has not started."""
        if now < self.starts_at:
            return Punctuality.NOT_DUE
        if now >= self.missed_after:
            return Punctuality.MISSED
        if now >= self.late_after:
            return Punctuality.LATE
        return Punctuality.DUE


def span_of(starts_at: datetime, grace: timedelta, window: timedelta) -> Span:
    return Span(starts_at, starts_at + min(grace, window), starts_at + window)


def stagger_of(instance_uuid: object, schedule_id: int, stagger: timedelta) -> timedelta:
    """Return the start offset of one instance, independent of the other instances."""
    whole = int(stagger.total_seconds())
    if whole <= 0:
        return timedelta(0)
    digest = hashlib.sha256(f"{instance_uuid}:{schedule_id}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8]) % whole)


def check_rhythm(rhythm: Rhythm) -> None:
    """Raise BadInput if a rhythm is invalid or never due."""
    if rhythm.every_hours is None:
        check_cron(rhythm.cron, rhythm.time_zone)
    elif zone(rhythm.time_zone) and rhythm.every_hours < 1:
        raise BadInput(f"an interval of {rhythm.every_hours} hours is too short")
    if rhythm.full_cron:
        check_cron(rhythm.full_cron, rhythm.time_zone)


def check_cron(cron: str, time_zone: str) -> None:
    """Raise BadInput if a cron expression is invalid or never due."""
    _parsed(cron, datetime(2026, 1, 1, tzinfo=zone(time_zone)))
    alone = Rhythm(cron, time_zone, None, datetime(2026, 1, 1, tzinfo=UTC))
    if next_due_time(alone, alone.anchor_at) is None:
        raise BadInput(f"cron {cron!r} is never due", hint="Check its day and month.")


def next_due_time(rhythm: Rhythm, after: datetime) -> datetime | None:
    """Return the first due time later than ``after``; None if there is none."""
    due = next(upcoming(rhythm, after), None)
    return due.at if due else None


def may_retry(attempts: int, retries: int, retry_at: datetime, missed_after: datetime) -> bool:
    """Return whether a failed attempt is followed by another one."""
    return attempts <= retries and retry_at < missed_after


def preview(rhythm: Rhythm, after: datetime, count: int) -> list[DueTime]:
    """Return the next due times for display: local, UTC, and clock changes."""
    return list(islice(upcoming(rhythm, after), count))


def longest_pause(rhythm: Rhythm, after: datetime) -> timedelta:
    """Return the longest time between two of the next due times; zero where there is one at most.

    Of two weeks, or of some days of a rhythm that is due often.
    """
    moments = [due.at for due in islice(upcoming(rhythm, after), _DUE_TIMES)]
    return max((later - earlier for earlier, later in pairwise(moments)), default=timedelta(0))


def upcoming(rhythm: Rhythm, after: datetime) -> Iterator[DueTime]:
    """Yield every due time later than ``after``, in order and each once."""
    if not rhythm.full_cron:
        return _alone(rhythm, after)
    fulls = (replace(due, full=True) for due in _alone(only_full(rhythm), after))
    # Stable: of two at one moment the full backup comes first.
    return _once(heapq.merge(fulls, _alone(rhythm, after), key=_moment))


def fault_of_chain(
    own: int | None, after: int, links: Mapping[int, int | None], names: Mapping[int, str]
) -> str:
    """Return why a schedule may not run after another, as a sentence; blank if it may.

    ``links`` maps all schedules to those they run after. ``own`` is None before it is saved.
    """
    before = _line(after, links)
    words = ", which runs after ".join(names[pk] for pk in before)
    if own is not None and own in before:
        return f"This would be a circle: it would run after {words}."
    behind = max(
        (
            line.index(own)
            for line in (_line(pk, links) for pk in links)
            if own is not None and own in line
        ),
        default=0,
    )
    if len(before) + behind > MOST_PREDECESSORS:
        most = MOST_PREDECESSORS + 1
        return f"The chain would have more than {most} schedules: it would run after {words}."
    return ""


def reached(covering: Set[int], after: Mapping[int, int | None]) -> set[int]:
    """Of the enabled schedules that cover an instance, those that have runs for it.

    A chained one has none where that which it follows does not cover the instance. ``after`` maps
    schedules to those they follow; others may be left out.
    """
    return {pk for pk in covering if all(before in covering for before in _line(pk, after))}


def _line(first: int, links: Mapping[int, int | None]) -> list[int]:
    """Return a schedule and those that it follows, each once even in a circle."""
    line: list[int] = []
    following: int | None = first
    while following is not None and following not in line:
        line.append(following)
        following = links.get(following)
    return line


def only_full(rhythm: Rhythm) -> Rhythm:
    """Return the rhythm of the full backups of one that has an expression for them."""
    return replace(rhythm, cron=rhythm.full_cron, every_hours=None, full_cron="")


def _once(merged: Iterable[DueTime]) -> Iterator[DueTime]:
    """Of due times at one moment, the first: that of the full backup."""
    last: datetime | None = None
    for due in merged:
        if due.at != last:
            last = due.at
            yield due


def _moment(due: DueTime) -> datetime:
    return due.at


def _alone(rhythm: Rhythm, after: datetime) -> Iterator[DueTime]:
    if rhythm.every_hours is not None:
        return _every_hours(rhythm, after)
    where = zone(rhythm.time_zone)
    if _parsed(rhythm.cron, after.astimezone(where)).hours == EVERY_HOUR:
        return _as_time_passes(rhythm, after)
    return _by_the_wall(rhythm, after)


def _every_hours(rhythm: Rhythm, after: datetime) -> Iterator[DueTime]:
    where, step = zone(rhythm.time_zone), timedelta(hours=rhythm.every_hours or 1)
    at = rhythm.anchor_at.astimezone(UTC)
    at += ((after - at) // step + 1) * step
    while True:
        yield DueTime(at, at.astimezone(where))
        at += step


def _as_time_passes(rhythm: Rhythm, after: datetime) -> Iterator[DueTime]:
    where = zone(rhythm.time_zone)
    words = rhythm.cron.split()
    # Written so, the library counts real hours and not those of the wall.
    words[1] = "*"
    for local in CronSim(" ".join(words), after.astimezone(where)):
        twice = shown(local.replace(tzinfo=None), where) is Shown.TWICE
        note = f"clocks go back: {local:%H:%M} comes twice, runs both times" if twice else ""
        yield DueTime(local.astimezone(UTC), local, note)


def _by_the_wall(rhythm: Rhythm, after: datetime) -> Iterator[DueTime]:
    where = zone(rhythm.time_zone)
    last = after
    for wall in _parsed(rhythm.cron, after.astimezone(where).replace(tzinfo=None)):
        at = moment_of(wall, where)
        # Several due times in one gap, and one right after it, fall on the same moment.
        if at > last:
            last, local = at, at.astimezone(where)
            yield DueTime(at, local, _note(wall, local, shown(wall, where)))


def _note(wall: datetime, local: datetime, often: Shown) -> str:
    if often is Shown.NEVER:
        return f"clocks go forward: {wall:%H:%M} does not exist, runs at {local:%H:%M}"
    if often is Shown.TWICE:
        return f"clocks go back: {wall:%H:%M} comes twice, runs the first time"
    return ""


def _parsed(cron: str, start: datetime) -> CronSim:
    count = len(cron.split())
    if count != FIELDS:
        raise BadInput(
            f"cron {cron!r} has {count} fields",
            hint="Write five: minute, hour, day of the month, month, day of the week.",
        )
    try:
        return CronSim(cron, start)
    except CronSimError as exc:
        raise BadInput(
            f"cron {cron!r} cannot be read: {str(exc).lower()}",
            hint="An example: 30 2 * * 1-5 is at 02:30 from Monday to Friday.",
        ) from None
