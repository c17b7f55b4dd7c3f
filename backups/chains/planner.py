"""Which backup does an incremental or differential one go on from, or why is it a full one?

Pure. A wrong base costs space and never correctness, because every block is compared by its hash.
The reasons for a full backup are therefore reasons of sense: nothing to go on from, or a chain
that would be long, spread over repositories, or of another server program.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# As in the states of a backup.
FULL, INCREMENTAL, DIFFERENTIAL = "full", "incremental", "differential"
KINDS = (FULL, INCREMENTAL, DIFFERENTIAL)


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """The backup that is about to be taken."""

    kind: str
    engine: str
    series: str
    repositories: frozenset[str]
    # The most backups that may go on from a full one, one from the other.
    most_links: int


@dataclass(frozen=True, slots=True)
class Choice:
    """The kind of backup to take, its base, and why."""

    kind: str
    # Label of the base; blank for a full backup.
    base: str
    reason: str


def choose_base(wanted: Wanted, newest_first: Sequence[Candidate]) -> Choice:
    """Return what to take. ``newest_first`` are the instance's stored backups."""
    if wanted.kind == FULL:
        return Choice(FULL, "", "a full backup was requested")
    possible = [
        each
        for each in newest_first
        if each.kind in KINDS and (wanted.kind == INCREMENTAL or each.kind == FULL)
    ]
    if not possible:
        what = "backup" if wanted.kind == INCREMENTAL else "full backup"
        return _full(f"there is no stored {what} to go on from")
    # Only the newest one: an older base would store again what the newest has.
    newest = possible[0]
    if why_not := _why_not(wanted, newest):
        return _full(f"{newest.label} {why_not}")
    since = "the newest backup" if wanted.kind == INCREMENTAL else "the newest full one"
    return Choice(wanted.kind, newest.label, f"changes since {newest.label}, {since}")


def _why_not(wanted: Wanted, base: Candidate) -> str:
    if missing := sorted(wanted.repositories - base.repositories):
        return f"cannot be read in {', '.join(missing)}, and a chain lives whole in one repository"
    if base.fault:
        return base.fault
    if base.engine != wanted.engine:
        return f"was taken by {base.engine}"
    if base.series and wanted.series and base.series != wanted.series:
        return f"is of a server of series {base.series}, now it is {wanted.series}"
    if base.ancestors >= wanted.most_links:
        return f"is backup {base.ancestors + 1} of its chain: {wanted.most_links} may follow a full"
    return ""


def _full(reason: str) -> Choice:
    return Choice(FULL, "", reason)
