"""Which backup does an incremental or differential one go on from, or why is it a full one?

Pure. A wrong base costs space and never correctness, because every block is compared by its hash.
The reasons for a full backup are therefore reasons of sense: nothing to go on from, or a chain
that would be long, nowhere whole, or of another server program. Where whichever is due
was requested, a chain that is old or whose increments save little ends as well.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

# As in the states of a backup. Of partial backups one that stands alone is full here, and one that
# is based on another of the same tables is incremental.
FULL, INCREMENTAL, DIFFERENTIAL = "full", "incremental", "differential"
KINDS = (FULL, INCREMENTAL, DIFFERENTIAL)
# Requested instead of a kind: whichever is due.
AUTO = "auto"
# An increment that stores more than this share of its full one saves little ...
LARGE = 0.5
# ... and so many of them in a row are no exception.
IN_A_ROW = 2


class Cause(enum.StrEnum):
    """Why the kind is not simply the one that was requested; as in the states of a job."""

    NONE = ""
    INCREMENTAL_DUE = "incremental_due"
    NO_BASE = "no_base"
    CHAIN_FULL = "chain_full"
    BASE_UNUSABLE = "base_unusable"
    SEQUENTIAL = "sequential"
    FULL_OLD = "full_old"
    INCREMENTS_LARGE = "increments_large"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stored backup of the instance."""

    label: str
    kind: str
    # How many backups its restore needs beside itself.
    ancestors: int
    engine: str
    # "10.11", "8.4"; blank is unknown.
    series: str
    # The repositories in which it and all it needs can be read.
    repositories: frozenset[str]
    # Why it should not be relied on: "failed its verify"; blank if nothing is known.
    fault: str = ""
    # The repositories in which a copy of it, or of what it needs, is damaged.
    damaged_in: frozenset[str] = frozenset()
    # When the full backup of its chain began; None is unknown.
    full_began_at: datetime | None = None
    # What it and the links before it stored, as shares of that full one; the newest first.
    shares: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """The backup that is about to be taken."""

    # A kind, or AUTO: whichever is due.
    kind: str
    engine: str
    series: str
    repositories: frozenset[str]
    # The most backups that may go on from a full one, one from the other.
    most_links: int
    # With AUTO: a full backup that began earlier is old. None: at no age.
    old_before: datetime | None = None
    # The tables of a partial backup, in words; blank: of the whole instance.
    tables: str = ""

    @property
    def alone(self) -> str:
        """What needs no other backup, in words."""
        return "partial backup that stands alone" if self.tables else "full backup"


@dataclass(frozen=True, slots=True)
class Choice:
    """The kind of backup to take, its base, and why."""

    kind: str
    # Label of the base; blank for a full backup.
    base: str
    reason: str
    cause: Cause = Cause.NONE
    # Where the backup cannot go, because its base is not there: copies follow the chain later.
    left: frozenset[str] = frozenset()


def choose_base(wanted: Wanted, newest_first: Sequence[Candidate]) -> Choice:
    """Return what to take. ``newest_first`` are the instance's stored backups."""
    if wanted.kind == FULL:
        return Choice(FULL, "", "a full backup was requested")
    since_full = wanted.kind == DIFFERENTIAL
    possible = [
        candidate
        for candidate in newest_first
        if candidate.kind in KINDS and (candidate.kind == FULL or not since_full)
    ]
    if not possible:
        what = "full backup" if since_full else "backup"
        what = f"partial backup of {wanted.tables}" if wanted.tables else what
        return _full(f"there is no stored {what} to go on from", Cause.NO_BASE)
    # Only the newest one: an older base would store again what the newest has.
    newest = possible[0]
    if why_not := _why_not(wanted, newest):
        return _full(f"{newest.label} {why_not}", Cause.BASE_UNUSABLE)
    if newest.ancestors >= wanted.most_links:
        return _full(
            f"{newest.label} is backup {newest.ancestors + 1} of its chain: "
            f"{wanted.most_links} may follow a {'first' if wanted.tables else 'full'}",
            Cause.CHAIN_FULL,
        )
    left = wanted.repositories - newest.repositories
    if wanted.kind == AUTO:
        due = _whichever_is_due(wanted, newest)
        return replace(due, left=left) if due.base else due
    since = "the newest full one" if since_full else "the newest backup"
    reason = f"changes since {newest.label}, {since}"
    return Choice(wanted.kind, newest.label, reason, left=left)


def are_large(shares: Sequence[float], share: float = LARGE, in_a_row: int = IN_A_ROW) -> bool:
    """Whether the newest increments each stored more than ``share`` of their full backup."""
    newest = shares[:in_a_row]
    return len(newest) == in_a_row and all(ratio > share for ratio in newest)


def _whichever_is_due(wanted: Wanted, newest: Candidate) -> Choice:
    began, old_before = newest.full_began_at, wanted.old_before
    if began is not None and old_before is not None and began <= old_before:
        reason = f"the {wanted.alone} that {newest.label} needs is of {began:%Y-%m-%d %H:%M}Z"
        if newest.kind == FULL:
            reason = f"{newest.label}, the newest {wanted.alone}, is of {began:%Y-%m-%d %H:%M}Z"
        return _full(reason, Cause.FULL_OLD)
    if are_large(newest.shares):
        stored = " and ".join(f"{100 * share:.0f} %" for share in newest.shares[:IN_A_ROW])
        return _full(
            f"the newest increments stored {stored} of their {wanted.alone}",
            Cause.INCREMENTS_LARGE,
        )
    of_them = f" of {wanted.tables}" if wanted.tables else ""
    reason = f"changes since {newest.label}, the newest backup{of_them}"
    return Choice(INCREMENTAL, newest.label, reason, Cause.INCREMENTAL_DUE)


def _why_not(wanted: Wanted, base: Candidate) -> str:
    missing = wanted.repositories - base.repositories
    # Where it is only missing, the chain can be copied to later; a damaged one cannot be completed.
    if missing == wanted.repositories or missing & base.damaged_in:
        names = ", ".join(sorted(missing))
        return f"cannot be read in {names}, and a chain lives whole in one repository"
    if base.fault:
        return base.fault
    if base.engine != wanted.engine:
        return f"was taken by {base.engine}"
    if base.series and wanted.series and base.series != wanted.series:
        return f"is of a server of series {base.series}, now it is {wanted.series}"
    return ""


def _full(reason: str, cause: Cause) -> Choice:
    return Choice(FULL, "", reason, cause)
