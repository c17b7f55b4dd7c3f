"""Which pieces of servers that took over follow those of a history, and how are all served as one?

Where one server's pieces end, those of the next go on from exactly there: what both have is served
once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from backups.archive.keys import Keyring
from backups.binlog_archive.pieces import ReadablePiece, joined_from, pieces_of
from backups.binlog_archive.reader import ArchivedBinlogs
from backups.binlogs.events.gtids import GtidPosition, parse_gtids
from backups.binlogs.events.seams import AbsentDomains, find_seam, is_seam, is_within
from backups.binlogs.source.served import ServedRange
from backups.exceptions import MooringError
from backups.models import BinlogTimeline
from backups.models.binlog import TimelineStart


@dataclass(slots=True)
class PieceRun:
    """Pieces that follow each other, of one server or of several."""

    pieces: list[ReadablePiece]
    # What is behind the last; blank: nothing that is known.
    missing: str
    # Of the last piece.
    timeline: BinlogTimeline


def run_from(
    timeline: BinlogTimeline, pieces: list[ReadablePiece], at: int, keyring: Keyring | None
) -> PieceRun:
    """Return a piece and all that follow it without a gap, over servers that took over."""
    joined, missing = joined_from(pieces, at)
    run = PieceRun(joined, missing, timeline)
    later = timeline.instance.binlog_timelines.select_related("instance")
    ordered = list(later.order_by("began_at", "pk"))
    for following in ordered[ordered.index(timeline) + 1 :]:
        if run.missing or following.start != TimelineStart.FAILOVER:
            break
        try:
            _go_on(run, following, keyring)
        except MooringError as exc:
            # What is in front of it can be recovered all the same.
            run.missing = f"binlogs of the server that took over cannot be read: {exc}"
    return run


def _go_on(run: PieceRun, following: BinlogTimeline, keyring: Keyring | None) -> None:
    pieces = pieces_of(ArchivedBinlogs(following, keyring))
    if not pieces:
        return
    last = run.pieces[-1]
    found = _from_seam(last.find_gtids_after(), pieces)
    if found is None:
        run.missing = (
            f"what follows {last.file}:{last.end} on the server that took over, "
            f"{following.server_identity}, is not archived"
        )
        return
    run.timeline = following
    if found:
        joined, run.missing = joined_from(found, 0)
        run.pieces += joined


def _from_seam(end: str, pieces: Sequence[ReadablePiece]) -> list[ReadablePiece] | None:
    """Return what follows the place where a server has just what another ended with.

    None: there is no such place in its pieces. Empty: nothing follows yet.
    """
    first = pieces[0].find_gtids_before()
    for number, piece in enumerate(pieces):
        before = piece.find_gtids_before()
        if is_seam(end, first, before) and not _repeats(end, before, pieces[number:]):
            return list(pieces[number:])
        if not is_within(end, before):
            return None
        if piece.segment is None:
            # Not cut yet.
            index = piece.index()
            gtids = (each.gtid for each in index.transactions())
            count = find_seam(end, first, before, gtids, _gtids_of(pieces[number + 1 :]))
            if count:
                offset = index.transaction(count - 1).end
                rest = [piece.from_offset(offset, end)] if offset < piece.end else []
                return [*rest, *pieces[number + 1 :]]
    return [] if is_seam(end, first, pieces[-1].find_gtids_after()) else None


def _repeats(end: str, here: str, pieces: Sequence[ReadablePiece]) -> bool:
    """Whether the pieces behind a place begin a domain with what the old server has."""
    absent = AbsentDomains(parse_gtids(end), parse_gtids(here))
    for piece in pieces:
        if not absent:
            return False
        after = parse_gtids(piece.find_gtids_after())
        begun = after.ends() if isinstance(after, GtidPosition) else {}
        # Else it need not be read.
        if absent.ends.keys() & begun.keys() and absent.repeat_among(_gtids_of([piece])):
            return True
    return False


def _gtids_of(pieces: Iterable[ReadablePiece]) -> Iterator[str]:
    for piece in pieces:
        for each in piece.index().transactions():
            yield each.gtid


@dataclass(slots=True)
class ServedFiles:
    """Files of several servers under names of one row: each server counts its own.

    The first server's keep theirs, and those that follow are numbered on.
    """

    _files: dict[str, tuple[ArchivedBinlogs, str]] = field(default_factory=dict)
    _names: dict[tuple[int, str], str] = field(default_factory=dict)
    _base: str = ""
    _number: int = 0

    def name_of(self, piece: ReadablePiece) -> str:
        """Return the name under which a piece's file is served, in the order of the pieces."""
        timeline = piece.archived.timeline.pk
        if (known := self._names.get((timeline, piece.file))) is not None:
            return known
        if not self._names:
            self._base = piece.file.rpartition(".")[0]
        own = all(timeline == other for other, _ in self._names)
        self._number = piece.number if own else self._number + 1
        name = piece.file if own else f"{self._base}.{self._number:06}"
        self._names[timeline, piece.file] = name
        self._files[name] = (piece.archived, piece.file)
        return name

    def read(self, file: str, start: int, stop: int) -> Iterator[bytes]:
        """Yield exactly the bytes of a served file from ``start`` to before ``stop``."""
        archived, name = self._files[file]
        yield from archived.read(name, start, stop)


def stretches_of(
    files: ServedFiles, pieces: Sequence[ReadablePiece], begin: int, end: int
) -> tuple[ServedRange, ...]:
    """Return one stretch for each file: from an offset of the first piece to one of the last."""
    found: list[ServedRange] = []
    servers: list[int] = []
    for number, piece in enumerate(pieces):
        name = files.name_of(piece)
        start = begin if number == 0 else piece.start
        stop = end if number == len(pieces) - 1 else piece.end
        timeline = piece.archived.timeline.pk
        if timeline not in servers:
            servers.append(timeline)
        if found and found[-1].file == name:
            found[-1] = replace(found[-1], stop=stop)
        else:
            found.append(ServedRange(name, start, stop, failovers=len(servers) - 1))
    return tuple(each for each in found if each.start < each.stop)
