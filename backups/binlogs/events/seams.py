"""Do the binlogs of one server go on exactly where another's end, by their GTIDs?

They do between two transactions of the new server where what comes before is what the old one ends
with: nothing is missing, and nothing else was committed meanwhile. Files and positions say nothing:
each server counts its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from backups.binlogs.events.gtids import (
    GtidPosition,
    Gtids,
    GtidSet,
    gtids_text,
    parse_gtids,
    parse_mariadb,
)
from backups.exceptions import BinlogDamaged


def is_same_place(end: Gtids, here: Gtids) -> bool:
    """Whether a place of the new server has the transactions that the old one ends with.

    Of MariaDB by the last of each domain that the new one's binlogs have: whether what follows is
    new in the others, too, ``AbsentDomains`` knows.
    """
    if isinstance(end, GtidPosition) and isinstance(here, GtidPosition):
        ends = end.ends()
        return bool(here) and all(ends.get(domain) == last for domain, last in here.ends().items())
    return isinstance(end, GtidSet) and bool(end) and end == here


class AbsentDomains:
    """The domains of MariaDB that a place of the new server lacks, and the old one has.

    Perhaps nobody writes to them today. Or the new one logs them later, from before the old one's
    end: then the place is no seam, what follows would be replayed twice.
    """

    def __init__(self, end: Gtids, here: Gtids) -> None:
        has = here.ends() if isinstance(here, GtidPosition) else {}
        old = end.ends() if isinstance(end, GtidPosition) else {}
        # The old server's last number, by domain.
        self.ends = {domain: last for domain, (_, last) in old.items() if domain not in has}

    def __bool__(self) -> bool:
        return bool(self.ends)

    def repeats(self, gtid: str) -> bool:
        """Whether the old server has a transaction that follows; each domain's first decides."""
        if not self.ends or not gtid:
            return False
        domain, _, number = parse_mariadb(gtid)
        return number <= self.ends.pop(domain, -1)

    def repeat_among(self, gtids: Iterable[str]) -> bool:
        """Whether the old server has one of the transactions that follow, in their order."""
        for gtid in gtids:
            if not self.ends:
                return False
            if self.repeats(gtid):
                return True
        return False


def ends_piece(end: Gtids, here: Gtids | None, gtid: str) -> bool:
    """Whether a transaction that follows ``here`` is the first of a domain that it lacks.

    A piece ends behind it, so that rows alone say its number.
    """
    if not here or not isinstance(here, GtidPosition):
        return False
    return parse_mariadb(gtid)[0] in AbsentDomains(end, here).ends


def is_seam(end: str, first: str, here: str) -> bool:
    """Whether binlogs go on at a place where those of another server end.

    ``first``: what is in front of the new server's first file that is here. MariaDB's last number
    hides what another server committed before it: of the servers that committed since, each must
    be where the old server has it.
    """
    try:
        old, new, place = parse_gtids(end), parse_gtids(first), parse_gtids(here)
    except BinlogDamaged:
        return False
    if not is_same_place(old, place):
        return False
    if not (isinstance(old, GtidPosition) and isinstance(place, GtidPosition)):
        return True
    before = set(new.entries()) if isinstance(new, GtidPosition) else set()
    return set(place.entries()) - before <= set(old.entries())


def is_within(end: str, here: str) -> bool:
    """Whether the old server has all that comes before a place of the new one."""
    try:
        return _covers(parse_gtids(end), parse_gtids(here))
    except BinlogDamaged:
        return False


def find_seam(
    end: str, first: str, before: str, gtids: Iterable[str], later: Iterable[str] = ()
) -> int | None:
    """Return after how many of ``gtids``, which follow ``before``, the seam is; None: not there.

    ``later`` are those that follow, of which the first of a domain may show that it is none.
    """
    old, place = parse_gtids(end), parse_gtids(before) if before else None
    found, absent = None, AbsentDomains(old, old)
    if place is not None and is_seam(end, first, before):
        found, absent = 0, AbsentDomains(old, place)
    for number, gtid in enumerate(gtids, 1):
        if found is not None:
            found = None if absent.repeats(gtid) else found
        if found is not None and not absent:
            return found
        if not gtid:
            return found
        if place is None:
            place = parse_gtids(gtid)
        else:
            place.add(gtid)
        if found is None and is_same_place(old, place):
            if not is_seam(end, first, gtids_text(place)):
                return None
            found, absent = number, AbsentDomains(old, place)
    return None if found is not None and absent.repeat_among(later) else found


def lacking(held: Gtids, executed: Gtids) -> str:
    """Return which transactions that are held a server does not have; blank where it has all."""
    if isinstance(held, GtidSet) and isinstance(executed, GtidSet):
        return str(held - executed)
    if isinstance(held, GtidPosition) and isinstance(executed, GtidPosition):
        has = executed.ends()
        return ",".join(
            f"{domain}-{server}-{number}"
            for domain, (server, number) in sorted(held.ends().items())
            if number > has.get(domain, (0, 0))[1]
        )
    return str(held)


def _covers(more: Gtids, less: Gtids) -> bool:
    if isinstance(more, GtidSet):
        return isinstance(less, GtidSet) and more.covers(less)
    return not less or (isinstance(less, GtidPosition) and more.covers(less))
