"""From when to when is an instance recoverable, given its backups and its archived binlogs?

Pure. A backup and the binlogs from its coordinates on lead to every later transaction, as far as
the pieces follow each other without a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from backups.binlogs.events.gtids import GtidPosition, GtidSet, parse_gtids
from backups.binlogs.segments.names import file_number
from backups.exceptions import BinlogDamaged


class Place(NamedTuple):
    """An offset of a file of a timeline; later ones compare greater."""

    file_number: int
    position: int


@dataclass(frozen=True, slots=True)
class PieceFacts:
    """A piece of a timeline, in its order."""

    timeline: int
    file: str
    file_number: int
    start: int
    end: int
    joined: bool
    last_commit_at: datetime | None
    # Whether a repository or the spool has it.
    there: bool
    # When it was cut, by our clock.
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TimelineFacts:
    """A history of the instance."""

    pk: int
    # A value of ``TimelineStart``, in words.
    start: str
    # Whether the same file names held other bytes before.
    is_reset: bool
    ended_at: datetime | None
    # Why what was received does not follow the last piece; blank where it does.
    broken: str = ""
    # The place at which a server that took over continues the history before it, if it does.
    seam: Place | None = None
    # Which history that is.
    before: int | None = None


@dataclass(frozen=True, slots=True)
class BackupPoint:
    """A backup that can be restored, and its coordinates; blank or None is unknown."""

    pk: int
    started_at: datetime
    ended_at: datetime
    file: str
    position: int | None
    gtids: str

    @property
    def place(self) -> Place | None:
        if not self.file or self.position is None:
            return None
        try:
            return Place(file_number(self.file), self.position)
        except BinlogDamaged:
            return None


@dataclass(slots=True)
class Stretch:
    """Pieces of a timeline that follow each other without a gap."""

    timeline: int
    # Of its files: everything before the number.
    base: str
    first: Place
    last: Place
    last_file: str
    last_commit_at: datetime | None
    # When its first piece was cut: whatever was committed later is after that.
    created_at: datetime
    ends_because: str = ""


@dataclass(frozen=True, slots=True)
class RangeFacts:
    """Recoverable to each transaction from the oldest backup on."""

    # The one that it ends in.
    timeline: int
    oldest: BackupPoint
    newest: BackupPoint
    to_at: datetime
    to_file: str
    to_position: int
    open: bool
    ends_because: str


# Whether the GTIDs of a backup are those at its coordinates in the timeline.
JoinCheck = Callable[[int, BackupPoint], bool]


def find_stretches(pieces: Iterable[PieceFacts]) -> Iterator[Stretch]:
    """Yield the stretches of pieces in the order of their timelines."""
    current: Stretch | None = None
    # A file is read from its first event on: what follows is of no use without it.
    begun: tuple[int, str] | None = None
    for piece in pieces:
        base, file = _base(piece.file), (piece.timeline, piece.file)
        begun = file if piece.start == 0 and piece.there else begun
        there = piece.there and begun == file
        goes_on = (
            current is not None
            and there
            and piece.joined
            and (current.timeline, current.base) == (piece.timeline, base)
        )
        if current is not None and not goes_on:
            if current.timeline == piece.timeline:
                what = "cannot be read" if not there else "does not join the one before it"
                current.ends_because = f"{piece.file} from {piece.start} on {what}"
            yield current
            current = None
        if not there:
            continue
        last = Place(piece.file_number, piece.end)
        if current is None:
            first = Place(piece.file_number, piece.start)
            current = Stretch(
                piece.timeline,
                base,
                first,
                last,
                piece.file,
                piece.last_commit_at,
                piece.created_at,
            )
        else:
            current.last, current.last_file = last, piece.file
            current.last_commit_at = _later(current.last_commit_at, piece.last_commit_at)
    if current is not None:
        yield current


def find_ranges(
    stretches: Sequence[Stretch],
    timelines: Sequence[TimelineFacts],
    backups: Sequence[BackupPoint],
    joins: JoinCheck,
) -> list[RangeFacts]:
    """Return the ranges in the order of the stretches; ``timelines`` and ``backups`` by age."""
    histories = _Histories(stretches, timelines)
    found = []
    for path in histories.paths():
        inside = [
            (each, stretch.timeline)
            for each in backups
            for stretch in path
            if histories.has(stretch, each)
        ]
        # From both ends: there may be many, and each is looked up.
        oldest = next((each for each, timeline in inside if joins(timeline, each)), None)
        newest = next((each for each, timeline in reversed(inside) if joins(timeline, each)), None)
        if oldest is not None and newest is not None:
            found.append(_range(path, oldest, newest, *histories.end_of(path[-1])))
    return found


class _Histories:
    """What follows each stretch: more of its timeline, another server's, or nothing."""

    def __init__(self, stretches: Sequence[Stretch], timelines: Sequence[TimelineFacts]) -> None:
        self._stretches, self._timelines = stretches, timelines
        self._number = {timeline.pk: number for number, timeline in enumerate(timelines)}
        self._last = {stretch.timeline: stretch for stretch in stretches}
        followed = [self._before(stretch) for stretch in stretches]
        self._followed = {id(stretch) for stretch in followed if stretch is not None}

    def paths(self) -> list[list[Stretch]]:
        """Return the stretches in their order, each with those that follow it without a gap."""
        paths: list[list[Stretch]] = []
        for stretch in self._stretches:
            before = self._before(stretch)
            path = next((path for path in paths if path[-1] is before), None)
            if path is not None:
                path.append(stretch)
            else:
                paths.append([stretch])
        return paths

    def has(self, stretch: Stretch, backup: BackupPoint) -> bool:
        """Whether a backup is of a moment within a stretch, as far as times and places tell."""
        number = self._number[stretch.timeline]
        timeline = self._timelines[number]
        previous = self._timelines[number - 1] if number else None
        goes_on = id(stretch) in self._followed or self.end_of(stretch)[0]
        return _is_of(backup, timeline, previous) and _is_in(backup, stretch, goes_on=goes_on)

    def end_of(self, stretch: Stretch) -> tuple[bool, str]:
        """Return whether a stretch goes on with what is received, and else why it ends."""
        number = self._number[stretch.timeline]
        timeline = self._timelines[number]
        if stretch.ends_because or self._last[stretch.timeline] is not stretch:
            return False, stretch.ends_because
        if timeline.ended_at is None:
            return not timeline.broken, timeline.broken
        return False, _end_of_history(self._timelines[number + 1 :])

    def _before(self, stretch: Stretch) -> Stretch | None:
        """Return the stretch of the server before it that goes on in this one."""
        timeline = self._timelines[self._number[stretch.timeline]]
        seam, before = timeline.seam, timeline.before
        if seam is None or before is None or not stretch.first <= seam <= stretch.last:
            return None
        last = self._last.get(before)
        # Whatever is missing at its end is not in the other's.
        return last if last is not None and not last.ends_because else None


def _range(
    path: Sequence[Stretch], oldest: BackupPoint, newest: BackupPoint, is_open: bool, why: str
) -> RangeFacts:
    last, to_at = path[-1], oldest.ended_at
    for stretch in path:
        to_at = _later(stretch.last_commit_at, to_at) or to_at
    return RangeFacts(
        last.timeline,
        oldest,
        newest,
        to_at,
        last.last_file,
        last.last.position,
        is_open,
        why,
    )


def _end_of_history(following: Sequence[TimelineFacts]) -> str:
    why = f": {following[0].start.lower()}" if following else ""
    return f"the history ends{why}"


def gtids_join(backup: str, before: str, after: str) -> bool:
    """Whether a backup's GTIDs are those of a moment within a piece, by the piece's own.

    Unknown sets, of a server without GTIDs, contradict nothing.
    """
    if not backup or not (before or after):
        return True
    try:
        own, first, last = (parse_gtids(text) for text in (backup, before, after))
    except BinlogDamaged:
        return False
    return (not before or _covers(own, first)) and _covers(last, own)


def _covers(more: GtidSet | GtidPosition, less: GtidSet | GtidPosition) -> bool:
    if isinstance(more, GtidSet) and isinstance(less, GtidSet):
        return more.covers(less)
    if isinstance(more, GtidPosition) and isinstance(less, GtidPosition):
        return more.covers(less)
    return False


def _is_of(backup: BackupPoint, timeline: TimelineFacts, previous: TimelineFacts | None) -> bool:
    """Whether a backup is of a history as far as times tell."""
    if timeline.ended_at is not None and backup.started_at > timeline.ended_at:
        return False
    # The names were of other bytes until the history before it ended.
    end = previous.ended_at if previous is not None and timeline.is_reset else None
    return end is None or backup.ended_at >= end


def _is_in(backup: BackupPoint, stretch: Stretch, *, goes_on: bool) -> bool:
    """Whether a backup's coordinates are in a stretch.

    A clone's are known once a copy of it was prepared. Until then it is in a stretch that had begun
    before it began and goes on beyond its end; a restore to a moment compares them.
    """
    if not backup.file:
        ends_later = stretch.last_commit_at is not None and stretch.last_commit_at > backup.ended_at
        return stretch.created_at <= backup.started_at and (goes_on or ends_later)
    place = backup.place
    if place is None or _base(backup.file) != stretch.base:
        return False
    return stretch.first <= place <= stretch.last


def _base(file: str) -> str:
    return file.rpartition(".")[0]


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)
