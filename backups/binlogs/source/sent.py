"""What was sent so far? A replica names a place in a file; people ask for the moment."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from backups.binlogs.events.gtids import Gtids
from backups.binlogs.source.served import StreamPlace

# So often is a place kept: often enough for a page, seldom enough for a terabyte.
_EVERY_BYTES = 256 * 1024


class Passed(NamedTuple):
    """Everything up to a place, whether it was sent or left out."""

    transactions: int
    read_bytes: int
    # The latest commit, in microseconds since the epoch; 0 before the first.
    commit_micros: int


NOTHING = Passed(0, 0, 0)


class Sent:
    """Written by the thread of the connection, read by any."""

    def __init__(self, gtids: Gtids) -> None:
        """``gtids`` is an empty set, or an empty position."""
        self._gtids = gtids
        self._places: list[StreamPlace] = []
        self._passed: list[Passed] = []
        # What the replica must have in the end; None until a connection was sent everything. Later
        # connections are sent some of it again: that changes nothing here.
        self.wanted: str | None = None
        # Those to leave out that were.
        self.skipped: set[str] = set()
        self.newest = NOTHING
        # Where the last transaction ends, and up to where events were sent.
        self.last_end = self.reached = StreamPlace(0, 0)

    def note(self, place: StreamPlace, passed: Passed, *, always: bool = False) -> None:
        """Note how far it is; a replica that has connected again is sent things again."""
        if passed.read_bytes <= self.newest.read_bytes:
            return
        self.newest = passed
        kept = self._passed[-1].read_bytes if self._passed else -_EVERY_BYTES
        if always or passed.read_bytes - kept >= _EVERY_BYTES:
            self._passed.append(passed)
            # Last: whoever finds a place finds what belongs to it.
            self._places.append(place)

    def reach(self, place: StreamPlace) -> None:
        """Note up to where events were sent, whole transactions or not."""
        self.reached = max(self.reached, place)

    def add_gtid(self, gtid: str) -> None:
        """Note a transaction that was sent, in file order."""
        if gtid:
            self._gtids.add(gtid)

    @property
    def gtids(self) -> str:
        """What was sent up to now: MySQL's set, or a GTID for each domain."""
        return str(self._gtids)

    @property
    def complete(self) -> bool:
        """Whether a connection was sent everything to the end."""
        return self.wanted is not None

    def finish(self) -> None:
        """Note that everything was sent."""
        if self.wanted is None:
            self.wanted = self.gtids

    def up_to(self, place: StreamPlace) -> Passed:
        """Return what lies before a place, as near as it was kept."""
        found = bisect_right(self._places, place) - 1
        return self._passed[found] if found >= 0 else NOTHING
