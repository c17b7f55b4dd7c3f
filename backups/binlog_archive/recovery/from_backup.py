"""Which archived transactions lead from a backup to a place, and do they join it?

The backup's position must be a boundary between transactions, and the GTIDs before it the
backup's: what does not join is refused, and never replayed in the hope that it fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db import connections

from backups.archive.keys import Keyring
from backups.binlog_archive.pieces import ReadablePiece, pieces_of
from backups.binlog_archive.reader import ArchivedBinlogs, missing_keys
from backups.binlog_archive.recovery.goals import RecoveryGoal
from backups.binlog_archive.recovery.histories import ServedFiles, run_from, stretches_of
from backups.binlog_archive.recovery.stops import Stop, StopSearch
from backups.binlogs.events.gtids import GtidPosition, GtidSet, parse_gtids
from backups.binlogs.index.read import IndexedTransaction
from backups.binlogs.source.served import Served
from backups.exceptions import MooringError, Refused
from backups.keys.load import known_keys
from backups.models import BinlogArchive, BinlogTimeline, Instance
from backups.parameters import RELAY_LOGS
from backups.units import format_bytes, format_count

_GTIDS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class StartPoint:
    """A backup's coordinates, and when it was taken."""

    label: str
    file: str
    position: int
    # Blank where its server has none.
    gtids: str
    started_at: datetime
    ended_at: datetime


class PlacedTransaction(NamedTuple):
    """A transaction of one of several files."""

    file: str
    transaction: IndexedTransaction
    # The name under which its file is served: two servers may have files of one name.
    served_as: str


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a replay does."""

    start: StartPoint
    goal: RecoveryGoal
    stop: Stop
    served: Served
    # The pieces that are read, in their order; the last of them perhaps in part.
    read: Sequence[ReadablePiece] = ()
    # The names under which their files are served.
    names: Sequence[str] = ()

    @property
    def pieces(self) -> int:
        return len(self.read)

    @property
    def failovers(self) -> int:
        """How often another server took over in between."""
        return len({piece.archived.timeline.pk for piece in self.read}) - 1

    @property
    def served_until(self) -> tuple[str, int]:
        """Where the stream ends, by the names under which files are served."""
        if not (stretches := self.served.stretches):
            return self.start.file, self.start.position
        return stretches[-1].file, stretches[-1].stop

    def transactions(self) -> Iterator[PlacedTransaction]:
        """Yield everything from the backup to the stop, also what is left out, in file order."""
        for number, (piece, name) in enumerate(zip(self.read, self.names, strict=True)):
            index = piece.index()
            begin = index.starting_at(self.start.position) if number == 0 else 0
            for each in index.transactions(begin or 0):
                if name == self.names[-1] and each.end > self.stop.offset:
                    return
                yield PlacedTransaction(piece.file, each, name)
            if number:
                piece.forget_index()

    @property
    def bytes_total(self) -> int:
        return self.served.bytes_total

    def room(self, replay_by: str) -> int:
        """Return the bytes that a replay takes on the target's disk, beside the files as they are.

        What is replayed changes the files; as relay logs it is there once more.
        """
        return self.bytes_total * (2 if replay_by == RELAY_LOGS else 1)

    @property
    def in_short(self) -> str:
        """How many transactions, and which is the last."""
        moment = self.stop.last_commit
        last = f", the last of {moment:%Y-%m-%d %H:%M:%S} UTC" if moment else ""
        return f"{self.stop.transactions:,} transactions{last}"

    def __str__(self) -> str:
        start, stop = self.start, self.stop
        last = f", the last {stop.last_gtid}" if stop.last_gtid else ""
        over = f", over {format_count(self.failovers, 'failover')}" if self.failovers else ""
        places = f"{start.file}:{start.position} to {stop.file}:{stop.offset}"
        return (
            f"{stop.transactions:,} transactions{last}, {format_bytes(self.bytes_total)} in "
            f"{self.pieces} pieces, {places}{over}"
        )


def find_recovery(instance: Instance, start: StartPoint, goal: RecoveryGoal) -> Recovery:
    """Find the transactions from a backup to a place, or raise Refused with the reason."""
    # Before the pieces: what is received meanwhile is not in them.
    archive = BinlogArchive.objects.filter(instance=instance).first()
    keyring = known_keys()
    without = _without_keys(instance, keyring)
    error: MooringError = Refused(
        f"no archived binlog has {start.file}:{start.position}, the position of {start.label}"
        f"{without}",
        hint="Choose a backup that was taken while the archive was running.",
    )
    timelines = instance.binlog_timelines.select_related("instance")
    for timeline in timelines.order_by("-began_at", "-pk"):
        if not _may_be_of(timeline, start):
            continue
        pieces = pieces_of(ArchivedBinlogs(timeline, keyring))
        at = _piece_at(pieces, start)
        if at is None:
            continue
        try:
            return _follow(timeline, pieces, at, start, goal, keyring, archive)
        except _DoesNotJoin as exc:
            error = exc
    raise error


class _DoesNotJoin(Refused):
    """The timeline has the position, and other transactions before it."""


def _follow(
    timeline: BinlogTimeline,
    pieces: list[ReadablePiece],
    at: int,
    start: StartPoint,
    goal: RecoveryGoal,
    keyring: Keyring | None,
    archive: BinlogArchive | None,
) -> Recovery:
    _check_join(pieces[at], start)
    run = run_from(timeline, pieces, at, keyring)
    joined = run.pieces
    if _lies_in_backup(goal, start):
        raise Refused(
            f"{start.label} already has {goal.until_gtid or goal.before_gtid}",
            hint="Choose an older backup.",
        )
    if goal.until is not None:
        _check_older(pieces[: at + 1], start, goal.until)
    known_until = _known_until(run.timeline, archive)
    missing = run.missing and run.missing + _without_keys(timeline.instance, keyring)
    stop = StopSearch(joined, start.position, goal, missing).find(known_until)
    _check_not_ahead(joined, start, stop)
    read, files = joined[: stop.pieces], ServedFiles()
    stretches = stretches_of(files, read, start.position, stop.offset)
    served = Served(
        files,
        stretches,
        timeline.instance.flavour,
        start_gtids=start.gtids,
        skipped=goal.skipped,
        transactions=stop.transactions,
        gtid_mode="ON" if stop.has_gtids else "OFF",
        # Each thread has a connection to the database of its own.
        leave_thread=connections.close_all,
    )
    return Recovery(start, goal, stop, served, read, [files.name_of(piece) for piece in read])


def _without_keys(instance: Instance, keyring: Keyring | None) -> str:
    """Say which keys lack: pieces are as good as missing without them."""
    keys = missing_keys(instance, keyring)
    return f"; the keys {', '.join(keys)} of some pieces are missing" if keys else ""


def _check_join(piece: ReadablePiece, start: StartPoint) -> None:
    """Raise where a backup's position is not between transactions, or its GTIDs are others."""
    index = piece.index()
    number = index.starting_at(start.position)
    if number is None:
        raise _DoesNotJoin(
            f"{start.file}:{start.position}, the position of {start.label}, is inside a transaction"
        )
    before = index.gtids_before(number)
    if before and start.gtids and not _has_all(start.gtids, before):
        raise _DoesNotJoin(
            f"before {start.file}:{start.position} the archive has {before[:_GTIDS_SHOWN]}, "
            f"{start.label} has {start.gtids[:_GTIDS_SHOWN]}: it is of another history"
        )


def _has_all(backup: str, before: str) -> bool:
    """Whether a backup holds everything that was committed before its position."""
    own, archived = parse_gtids(backup), parse_gtids(before)
    if isinstance(own, GtidPosition) and isinstance(archived, GtidPosition):
        ends = own.ends()
        # A later one would be left out of what is replayed, an earlier one is missing.
        return all(ends.get(domain) == end for domain, end in archived.ends().items())
    if isinstance(own, GtidPosition) or isinstance(archived, GtidPosition):
        return False
    return own.covers(archived)


def _check_older(pieces: list[ReadablePiece], start: StartPoint, until: datetime) -> None:
    """Refuse a moment before the newest transaction that a backup has.

    ``pieces`` are those up to the one of its position, which is looked at by its transactions.
    """
    index = pieces[-1].index()
    if index.starting_at(start.position):
        return
    commits = (piece.find_latest_commit() for piece in reversed(pieces[:-1]))
    newest = next(filter(None, commits), start.started_at)
    if newest > until:
        raise Refused(
            f"{start.label} is of {newest:%Y-%m-%d %H:%M:%S} UTC, after the moment",
            hint="Choose an older backup.",
        )


def _check_not_ahead(joined: list[ReadablePiece], start: StartPoint, stop: Stop) -> None:
    """Refuse a backup that, by its GTIDs, has transactions from after the stop."""
    own, index = parse_gtids(start.gtids), joined[stop.pieces - 1].index()
    number = index.starting_at(stop.offset)
    if not isinstance(own, GtidSet) or not own or number is None:
        return
    reached = parse_gtids(index.gtids_before(number))
    end = parse_gtids(joined[-1].find_gtids_after())
    if isinstance(reached, GtidSet) and isinstance(end, GtidSet) and (end - reached) & own:
        raise Refused(
            f"{start.label} already has transactions from after {stop.file}:{stop.offset}",
            hint="Choose an older backup.",
        )


def _lies_in_backup(goal: RecoveryGoal, start: StartPoint) -> bool:
    wanted, own = goal.until_gtid or goal.before_gtid, parse_gtids(start.gtids)
    # MariaDB's numbers need not rise: what its position has, only the binlogs tell.
    return bool(wanted and isinstance(own, GtidSet) and wanted in own)


def _piece_at(pieces: list[ReadablePiece], start: StartPoint) -> int | None:
    """Return the number of the piece that goes on at a position, or else ends there."""
    ending = None
    for number, piece in enumerate(pieces):
        if piece.file == start.file:
            if piece.start <= start.position < piece.end:
                return number
            if piece.end == start.position:
                ending = number
    return ending


def _may_be_of(timeline: BinlogTimeline, start: StartPoint) -> bool:
    """Whether a backup can be of a history, by when both were: names are used again."""
    # The names were of other bytes until it began. GTIDs do not show it: a reset begins with the
    # same numbers.
    if timeline.names_again and start.ended_at < timeline.began_at:
        return False
    return timeline.ended_at is None or start.started_at <= timeline.ended_at


def _known_until(timeline: BinlogTimeline, archive: BinlogArchive | None) -> datetime | None:
    """Return when the source was last known to have nothing more; None: by its commits only."""
    if archive is None or timeline.ended_at is not None or archive.lag_bytes != 0:
        return None
    return archive.source_asked_at
