"""Which archived transactions does a server not have yet, that has replayed some of them?

What it keeps with its data says how far it is. That must be a place in what was to be replayed, and
nothing else: a server that has other transactions, or none of those before, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from backups.binlog_archive.recovery.from_backup import PlacedTransaction, Recovery
from backups.binlogs.events.gtids import GtidPosition, GtidSet
from backups.binlogs.events.header import LOG_POS_RANGE
from backups.binlogs.segments.names import file_number
from backups.binlogs.source.known import KnownPosition, KnownSet
from backups.binlogs.source.served import ServedRange
from backups.exceptions import Refused

_GTIDS_SHOWN = 200
_HINT = "Remove the folder with removerestore and restore again."


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a server is, by its own tables."""

    # MySQL's set, MariaDB's position.
    gtids: str = ""
    # Of a server without GTIDs: everything before it is there.
    file: str = ""
    position: int = 0
    # Whether a server says so, which names positions modulo 2^32; others are known as they are.
    by_server: bool = False

    def __str__(self) -> str:
        return self.gtids[:_GTIDS_SHOWN] or (
            f"{self.file}:{self.position}" if self.file else "none"
        )


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a recovery."""

    # Serves what is left, and counts only that.
    recovery: Recovery
    # How many transactions since the backup are there, or were left out.
    done: int
    # The first one that is not there; None: nothing is left.
    next: PlacedTransaction | None
    # The one in front of it, which is there or was left out; None: the backup itself.
    last: PlacedTransaction | None = None


class _Had(Protocol):
    """Asked once for each transaction, in file order."""

    def has(self, placed: PlacedTransaction) -> bool: ...

    def missing(self) -> str:
        """Return what is there and was not among those asked about yet; blank: nothing."""
        ...

    def start_gtids(self) -> str:
        """Return what a stream that begins here has before it."""
        ...


def find_rest(recovery: Recovery, reached: Reached) -> Rest:
    """Find what is left for a server that has come so far, or raise Refused."""
    had, skipped = _had(recovery, reached), set(recovery.goal.skipped)
    first: PlacedTransaction | None = None
    last: PlacedTransaction | None = None
    done, start = 0, ""
    for placed in recovery.transactions():
        has, gtid = had.has(placed), placed.transaction.gtid
        if first is None and not has and gtid not in skipped:
            first, start = placed, had.start_gtids()
        if first is None:
            done, last = done + 1, placed
            skipped.discard(gtid)
        elif not had.missing():
            break
    if missing := had.missing():
        raise Refused(
            f"the folder has {missing[:_GTIDS_SHOWN]}, which is not among the transactions from "
            f"{recovery.start.label} to the chosen place",
            hint="Choose a later place, or remove the folder with removerestore and restore again.",
        )
    return Rest(_from(recovery, first, start, done, skipped), done, first, last)


def after(rest: Rest) -> Iterator[PlacedTransaction]:
    """Yield the transactions from the first that is not there on."""
    first = rest.next
    if first is None:
        return
    for placed in rest.recovery.transactions():
        if place_of(placed) >= place_of(first):
            yield placed


def place_of(placed: PlacedTransaction) -> tuple[int, int]:
    return file_number(placed.served_as), placed.transaction.start


def _from(
    recovery: Recovery,
    first: PlacedTransaction | None,
    start_gtids: str,
    done: int,
    skipped: Iterable[str],
) -> Recovery:
    """Return a recovery whose stream begins at a transaction; ``skipped``: those behind it."""
    left = recovery.stop.transactions - done
    served = replace(
        recovery.served,
        stretches=_stretches(recovery.served.stretches, first),
        start_gtids=start_gtids,
        skipped=frozenset(skipped),
        transactions=left,
    )
    return replace(recovery, served=served, stop=replace(recovery.stop, transactions=left))


def _stretches(
    stretches: Sequence[ServedRange], first: PlacedTransaction | None
) -> tuple[ServedRange, ...]:
    if first is None:
        return ()
    names = [each.file for each in stretches]
    at = names.index(first.served_as)
    here = stretches[at]
    begin = max(here.start, first.transaction.start)
    return (replace(here, start=begin), *stretches[at + 1 :])


def _had(recovery: Recovery, reached: Reached) -> _Had:
    if recovery.served.is_mariadb:
        return _HadPosition(recovery, reached)
    if recovery.served.gtid_mode == "ON":
        return _HadSet(recovery, reached)
    return _HadPlace(recovery, reached)


def _length(recovery: Recovery, file: str) -> int:
    """Return up to where a file is served; 0: it is not."""
    return max((each.stop for each in recovery.served.stretches if each.file == file), default=0)


class _HadSet:
    """MySQL with GTIDs."""

    def __init__(self, recovery: Recovery, reached: Reached) -> None:
        self._own = GtidSet.parse(reached.gtids)
        start = GtidSet.parse(recovery.start.gtids)
        if not self._own.covers(start):
            raise Refused(
                f"the folder has the transactions {reached}, and not all of those of "
                f"{recovery.start.label}: it is not what was left",
                hint=_HINT,
            )
        if not (recovery.stop.transactions or start or self._own):
            # Without any transaction, the archive does not show whether the server has GTIDs.
            raise Refused(
                f"nothing is to be replayed onto {recovery.start.label}, and nothing proves that "
                "the folder has nothing more",
                hint=_HINT,
            )
        self._known, self._left = KnownSet(self._own), self._own - start

    def has(self, placed: PlacedTransaction) -> bool:
        gtid = placed.transaction.gtid
        if not self._known.has(gtid):
            return False
        one = GtidSet()
        one.add(gtid)
        self._left = self._left - one
        return True

    def missing(self) -> str:
        return str(self._left)

    def start_gtids(self) -> str:
        return str(self._own)


class _HadPosition:
    """MariaDB: domains may have come differently far."""

    def __init__(self, recovery: Recovery, reached: Reached) -> None:
        self._own = GtidPosition.parse(reached.gtids)
        start = GtidPosition.parse(recovery.start.gtids)
        lost = sorted(set(start.ends()) - set(self._own.ends()))
        if lost:
            raise Refused(
                f"the folder is at {reached}, without domain {lost[0]} of {recovery.start.label}: "
                "it is not what was left",
                hint=_HINT,
            )
        self._known = KnownPosition(self._own, start)

    def has(self, placed: PlacedTransaction) -> bool:
        return self._known.has(placed.transaction.gtid)

    def missing(self) -> str:
        return self._known.missing()

    def start_gtids(self) -> str:
        # A domain that is ahead is waited for: its transactions are left out until then.
        ahead = {gtid.partition("-")[0] for gtid in self.missing().split(", ") if gtid}
        return ",".join(
            f"{domain}-{server}-{number}"
            for domain, (server, number) in sorted(self._own.ends().items())
            if str(domain) not in ahead
        )


class _HadPlace:
    """MySQL without GTIDs: everything before a place."""

    def __init__(self, recovery: Recovery, reached: Reached) -> None:
        self._place = (file_number(reached.file), reached.position)
        self._name, self._passed = str(reached), False
        if reached.by_server and _length(recovery, reached.file) >= LOG_POS_RANGE:
            raise Refused(
                f"{reached.file} is longer than a server names positions: where the folder is in "
                "it is not proven",
                hint=_HINT,
            )
        if self._place < (file_number(recovery.start.file), recovery.start.position):
            raise Refused(
                f"the folder is at {reached}, before {recovery.start.label}: it is not what was "
                "left",
                hint=_HINT,
            )
        stop = (file_number(recovery.stop.file), recovery.stop.offset)
        self._passed = self._place == stop

    def has(self, placed: PlacedTransaction) -> bool:
        number, start = place_of(placed)
        had = (number, placed.transaction.end) <= self._place
        if not had and (number, start) < self._place:
            raise Refused(f"the folder is at {self._name}, inside a transaction", hint=_HINT)
        # The place itself was seen: as an end, or as what is in front of the next one.
        self._passed = self._passed or not had or (number, placed.transaction.end) == self._place
        return had

    def missing(self) -> str:
        return "" if self._passed else f"what is before {self._name}"

    def start_gtids(self) -> str:
        return ""
