"""From where is a source's binary log requested: does it go on, or does another history begin?

Pure. What is decided here is checked by the overlap: what the source sends again must be the bytes
that are here.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from backups.binlogs.dump.session import LONGEST_OLD_POSITION, DumpStart
from backups.binlogs.events.gtids import Gtids, GtidSet
from backups.binlogs.events.header import FIRST_OFFSET
from backups.binlogs.segments.names import file_number
from backups.programs.compatibility import MYSQL


class Break(enum.Enum):
    """Why what a source sends does not go on from what the archive has."""

    RESET = "reset"
    SERVER = "server"
    # A server that has all that is here: its history goes on.
    FAILOVER = "failover"
    BEHIND = "behind"
    GAP = "gap"


class SourceFile(NamedTuple):
    """One of a source's binary logs."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Held:
    """What the present timeline has last."""

    server_identity: str
    file: str
    # Where its last whole transaction begins, and whether the file is complete.
    last_transaction: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Start:
    """Where to begin, and why not where the archive ended."""

    at: DumpStart
    # None: it goes on.
    broken: Break | None = None
    reason: str = ""


def decide_start(
    held: Held | None, identity: str, flavour: str, files: Sequence[SourceFile], first_file: str
) -> Start:
    """Decide from what is held and what a source lists, oldest first.

    ``first_file``: the one that a new archive begins with; the newest if it is not listed.
    """
    names = [each.name for each in files]
    if held is None:
        file = first_file if first_file in names else names[-1]
        return Start(DumpStart(file, FIRST_OFFSET))
    if held.server_identity != identity:
        return _broken(Break.SERVER, files, f"another server answers: {identity}")
    if held.file in names:
        return Start(DumpStart(held.file, _position(flavour, held.last_transaction)))
    number = file_number(held.file)
    following = [name for name in names if file_number(name) == number + 1]
    if following and held.complete:
        return Start(DumpStart(following[0], FIRST_OFFSET))
    if number < file_number(names[0]):
        return _broken(
            Break.GAP, files, f"{held.file} was purged before all of it had been received"
        )
    return _broken(Break.RESET, files, f"the source does not know {held.file}: it was reset")


def joined_file(held: Gtids, executed: Gtids, before: Sequence[tuple[str, Gtids]]) -> str | None:
    """Return the first file of another server with transactions after those that are held.

    ``before``: for each of its files, newest first, the transactions in front of it. None: the
    server lacks transactions that are held, or files between are missing.
    """
    if not held or not _covers(executed, held):
        return None
    return next((name for name, gtids in before if _covers(held, gtids)), None)


def _covers(larger: Gtids, smaller: Gtids) -> bool:
    if isinstance(larger, GtidSet):
        return isinstance(smaller, GtidSet) and larger.covers(smaller)
    return not isinstance(smaller, GtidSet) and larger.covers(smaller)


def _broken(why: Break, files: Sequence[SourceFile], reason: str) -> Start:
    return Start(DumpStart(files[0].name, FIRST_OFFSET), why, reason)


def _position(flavour: str, position: int) -> int:
    """Return where to request a file: all of it where the command has no room for the place."""
    if flavour != MYSQL and position > LONGEST_OLD_POSITION:
        return FIRST_OFFSET
    return position
