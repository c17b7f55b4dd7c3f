"""Before which byte does a replay stop, and how many transactions is that?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from backups.binlog_archive.pieces import ReadablePiece
from backups.binlog_archive.recovery.goals import RecoveryGoal
from backups.binlogs.index.read import IndexedTransaction
from backups.binlogs.moments import from_micros, to_micros
from backups.exceptions import Refused

_OLDER = "Choose an older backup."


@dataclass(frozen=True, slots=True)
class Stop:
    """The end of a replay."""

    file: str
    offset: int
    # How many pieces are read, the last of them perhaps in part.
    pieces: int
    # Those to skip are among them.
    transactions: int
    has_gtids: bool
    # The last one that is replayed; blank or None: there is none.
    last_gtid: str = ""
    last_commit: datetime | None = None


class StopSearch:
    """Looks for a goal in pieces that follow each other."""

    def __init__(
        self, joined: Sequence[ReadablePiece], position: int, goal: RecoveryGoal, missing: str
    ) -> None:
        """``position``: in the first piece, where the backup ends.

        ``missing`` says what is behind the last piece; blank: nothing that is known.
        """
        self._joined, self._position = joined, position
        self._goal, self._missing = goal, missing
        first = joined[0].index().starting_at(position)
        if first is None:
            raise Refused(f"{joined[0].file}:{position} is inside a transaction")
        # Of the first transaction that the backup does not have.
        self._first = first

    def find(self, known_until: datetime | None) -> Stop:
        """Return the stop, or raise Refused where the goal is not in the pieces.

        ``known_until`` is when the source was last known to have nothing more.
        """
        for number, piece in enumerate(self._joined):
            cut = self._cut_in(number, piece)
            if cut is not None:
                return self._stop(number, cut)
            if number:
                piece.forget_index()
        self._check_reach(known_until)
        last = len(self._joined) - 1
        return self._stop(last, len(self._joined[last].index()))

    def _begin(self, number: int) -> int:
        return self._first if number == 0 else 0

    def _cut_in(self, number: int, piece: ReadablePiece) -> int | None:
        """Return the number of a piece's first transaction behind the goal; None: a later piece."""
        goal = self._goal
        if goal.until is not None:
            return self._cut_at_moment(number, piece, goal.until)
        if goal.file:
            return self._cut_at_place(number, piece, goal.position or 0)
        found = self._find(number, piece, goal.until_gtid or goal.before_gtid)
        return found + 1 if found is not None and goal.until_gtid else found

    def _cut_at_moment(self, number: int, piece: ReadablePiece, until: datetime) -> int | None:
        latest = piece.latest_commit
        if piece.is_empty or (latest is not None and latest <= until):
            return None
        index = piece.index()
        found = index.first_later_than(to_micros(until))
        if found < self._begin(number):
            moment = from_micros(index.transaction(found).commit_micros)
            raise Refused(
                f"the backup already has a transaction of {_utc(moment)}, after {_utc(until)}",
                hint=_OLDER,
            )
        return found if found < len(index) else None

    def _cut_at_place(self, number: int, piece: ReadablePiece, offset: int) -> int | None:
        if not self._has_place(piece, offset):
            return None
        servers = {
            each.archived.timeline.pk for each in self._joined if self._has_place(each, offset)
        }
        if len(servers) > 1:
            raise Refused(
                f"{piece.file}:{offset} is a place of {len(servers)} servers, of which one took "
                "over from the other",
                hint="Give a GTID or a moment.",
            )
        found = piece.index().starting_at(offset)
        if found is None:
            raise Refused(
                f"{piece.file}:{offset} is inside a transaction",
                hint="Give the place where one ends.",
            )
        if found < self._begin(number):
            raise Refused(f"the backup already has what follows {piece.file}:{offset}", hint=_OLDER)
        return found

    def _has_place(self, piece: ReadablePiece, offset: int) -> bool:
        return piece.file == self._goal.file and piece.start <= offset <= piece.end

    def _find(self, number: int, piece: ReadablePiece, gtid: str) -> int | None:
        """Return the number of a transaction that is to be replayed; None: not in this piece."""
        source = gtid.partition(":")[0]
        after = piece.segment.gtids_after if piece.segment is not None else ""
        if piece.is_empty or (":" in gtid and after and source not in after):
            return None
        found = piece.index().find(gtid)
        if found is not None and found < self._begin(number):
            raise Refused(f"the backup already has {gtid}", hint=_OLDER)
        return found

    def _check_reach(self, known_until: datetime | None) -> None:
        """Refuse what is behind the last piece."""
        last = self._joined[-1]
        why = self._missing or f"the archive ends at {last.file}:{last.end}"
        commits = [piece.find_latest_commit() for piece in self._joined]
        reached = max(
            filter(None, [*commits, None if self._missing else known_until]), default=None
        )
        until = self._goal.until
        if until is not None and reached is not None and until <= reached:
            return
        until_now = f"; the latest moment is {_utc(reached)}" if reached else ""
        raise Refused(
            f"{self._goal} is not among the archived transactions: {why}{until_now}",
            hint="Choose an earlier place, or wait until the receiver has it.",
        )

    def _stop(self, number: int, cut: int) -> Stop:
        """Describe a stop in front of transaction ``cut`` of a piece."""
        piece, begin = self._joined[number], self._begin(number)
        self._check_skipped(number, cut)
        before = sum(self._count(at) for at in range(number))
        last = self._last_before(number, cut)
        here = cut > begin
        following = piece.index().transaction(cut) if cut < len(piece.index()) else None
        known = last or following
        if here and last is not None:
            offset = last.end
        else:
            offset = self._position if number == 0 else piece.start
        return Stop(
            piece.file,
            offset,
            number + 1,
            before + cut - begin,
            has_gtids=known is None or bool(known.gtid),
            last_gtid=last.gtid if last is not None else "",
            last_commit=from_micros(last.commit_micros) if last is not None else None,
        )

    def _count(self, number: int) -> int:
        segment = self._joined[number].segment
        whole = segment.transactions if segment is not None else len(self._joined[number].index())
        return whole - self._begin(number)

    def _last_before(self, number: int, cut: int) -> IndexedTransaction | None:
        if cut > self._begin(number):
            return self._joined[number].index().transaction(cut - 1)
        for at in range(number - 1, -1, -1):
            if self._count(at):
                index = self._joined[at].index()
                return index.transaction(len(index) - 1)
        return None

    def _check_skipped(self, number: int, cut: int) -> None:
        """Refuse to skip what would not be replayed: a slip of the keyboard would go unnoticed."""
        for gtid in sorted(self._goal.skipped):
            at = [
                (each, found)
                for each, piece in enumerate(self._joined[: number + 1])
                if (found := self._find(each, piece, gtid)) is not None
            ]
            if not at or at[0] >= (number, cut):
                raise Refused(f"{gtid} is not among the transactions to be replayed")


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC"
