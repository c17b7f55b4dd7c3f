"""Do the binlogs of one server go on exactly where another's end, by their GTIDs?

They do between two transactions of the new server where what comes before is what the old one ends
with: nothing is missing, and nothing else was committed meanwhile. Files and positions say nothing:
each server counts its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from backups.binlogs.events.gtids import GtidPosition, Gtids, GtidSet, parse_gtids
from backups.exceptions import BinlogDamaged


def is_same_place(end: Gtids, here: Gtids) -> bool:
    """Whether a place of the new server has the transactions that the old one ends with.

    Of MariaDB by the last of each domain that the new one's binlogs have.
    """
    if isinstance(end, GtidPosition) and isinstance(here, GtidPosition):
        ends = end.ends()
        return bool(here) and all(ends.get(domain) == last for domain, last in here.ends().items())
    return isinstance(end, GtidSet) and bool(end) and end == here


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


def find_seam(end: str, first: str, before: str, gtids: Iterable[str]) -> int | None:
    """Return after how many of ``gtids``, which follow ``before``, the seam is; None: not there."""
    place = parse_gtids(before) if before else None
    if place is not None and is_seam(end, first, before):
        return 0
    old = parse_gtids(end)
    for number, gtid in enumerate(gtids, 1):
        if not gtid:
            return None
        if place is None:
            place = parse_gtids(gtid)
        else:
            place.add(gtid)
        if is_same_place(old, place):
            found = place.listed() if isinstance(place, GtidPosition) else str(place)
            return number if is_seam(end, first, found) else None
    return None


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
