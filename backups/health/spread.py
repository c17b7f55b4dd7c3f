"""Are the copies of an instance's backups many and far enough apart: 3-2-1-1-0?

Three copies of the data, the instance's own among them, on two different media, one at another
site, one that nobody can delete or reach, and none with an error. Pure: facts in, five answers out.
What is not known is neither a pass nor a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.protection import OLDEST_PROOF

COPIES, MEDIA = 3, 2


@dataclass(frozen=True, slots=True)
class PlacedCopy:
    """The newest usable copy of an instance in one repository. Blank is not known."""

    repository: str
    ended_at: datetime
    # What would be lost together: a device, a bucket, a file.
    medium: str = ""
    site: str = ""
    # Why nobody can delete it, or reach it; blank if nothing is known that prevents that.
    undeletable_by: str = ""
    # When it last passed a verify or restore test; None: never.
    proven_at: datetime | None = None
    # Whether its newest verify or restore test failed.
    failed: bool = False


@dataclass(frozen=True, slots=True)
class SpreadFacts:
    """What is known of one instance and its copies at one moment."""

    now: datetime
    # How old a copy may be to count.
    oldest: timedelta
    # Where the instance's own data is.
    site: str = ""
    medium: str = ""
    copies: Sequence[PlacedCopy] = ()
    # Copies in any repository that a check found missing, changed or without a key.
    faulty: int = 0


@dataclass(frozen=True, slots=True)
class SpreadAnswer:
    """One of the five. ``met`` None is unknown."""

    wanted: str
    met: bool | None
    # What there is, and what is missing, as a sentence each; the second blank if it is met.
    found: str
    missing: str = ""
    # How many there are for certain: of errors, those known.
    count: int = 0

    @property
    def tone(self) -> str:
        """The result as pages and commands name it."""
        return "unknown" if self.met is None else ("passed" if self.met else "missing")


def judge_spread(facts: SpreadFacts) -> tuple[SpreadAnswer, ...]:
    """Answer the five questions, in their order."""
    current = [copy for copy in facts.copies if facts.now - copy.ended_at <= facts.oldest]
    return (
        _copies(current),
        _media(facts, current),
        _sites(facts, current),
        _undeletable(current),
        _errors(facts, current),
    )


def _copies(current: Sequence[PlacedCopy]) -> SpreadAnswer:
    wanted = f"{COPIES} copies"
    names = ", ".join(copy.repository for copy in current)
    found = f"the instance's own data, and {names}" if names else "only the instance's own data"
    if (lacking := COPIES - 1 - len(current)) > 0:
        more = "another repository" if lacking == 1 else f"{lacking} repositories"
        missing = f"Keep a recent copy in {more}."
        return SpreadAnswer(wanted, False, found, missing, count=1 + len(current))
    return SpreadAnswer(wanted, True, found, count=1 + len(current))


def _media(facts: SpreadFacts, current: Sequence[PlacedCopy]) -> SpreadAnswer:
    wanted = f"{MEDIA} media"
    places = {copy.medium for copy in current}
    apart = places - {facts.medium, ""}
    if len(apart) >= MEDIA or (apart and facts.medium):
        count = len(apart) + bool(facts.medium)
        return SpreadAnswer(wanted, True, ", ".join(sorted(apart)), count=count)
    if not current:
        return SpreadAnswer(wanted, False, "no recent copy", "Keep a copy on another disk.")
    if "" in places or not facts.medium:
        unknown = "the disk of the data" if not facts.medium else "the disk of a repository"
        return SpreadAnswer(wanted, None, f"{unknown} is not known")
    found = "every copy is on the disk of the data"
    return SpreadAnswer(wanted, False, found, "Keep a copy on another disk.", count=1)


def _sites(facts: SpreadFacts, current: Sequence[PlacedCopy]) -> SpreadAnswer:
    wanted = "1 at another site"
    elsewhere = [copy for copy in current if copy.site and copy.site != facts.site]
    if elsewhere and facts.site:
        found = ", ".join(f"{copy.repository} at {copy.site}" for copy in elsewhere)
        return SpreadAnswer(wanted, True, found, count=len(elsewhere))
    if not facts.site:
        return SpreadAnswer(
            wanted, None, "the site of the instance is not known", "Enter it under Configure."
        )
    if unknown := [copy.repository for copy in current if not copy.site]:
        names = ", ".join(unknown)
        return SpreadAnswer(
            wanted, None, f"the site of {names} is not known", "Enter it in the repository."
        )
    return SpreadAnswer(
        wanted, False, f"every copy is at {facts.site}", "Keep a copy at another site."
    )


def _undeletable(current: Sequence[PlacedCopy]) -> SpreadAnswer:
    wanted = "1 that nobody can delete"
    safe = [f"{copy.repository}: {copy.undeletable_by}" for copy in current if copy.undeletable_by]
    if safe:
        return SpreadAnswer(wanted, True, "; ".join(safe), count=len(safe))
    return SpreadAnswer(
        wanted,
        False,
        "whoever takes over a worker can delete every copy",
        "Keep a copy in a locked bucket, or out of reach, and enter that in the repository.",
    )


def _errors(facts: SpreadFacts, current: Sequence[PlacedCopy]) -> SpreadAnswer:
    wanted = "0 errors"
    failed = [copy.repository for copy in current if copy.failed]
    if failed or facts.faulty:
        faults = [f"the newest check in {', '.join(failed)} failed"] if failed else []
        faults += [f"{facts.faulty} copies cannot be used"] if facts.faulty else []
        count = len(failed) + facts.faulty
        missing = "Take a backup, then verify it."
        return SpreadAnswer(wanted, False, "; ".join(faults), missing, count=count)
    unproven = [
        copy.repository
        for copy in current
        if copy.proven_at is None or facts.now - copy.proven_at > OLDEST_PROOF
    ]
    if unproven or not current:
        names = ", ".join(unproven) or "no recent copy"
        return SpreadAnswer(
            wanted,
            None,
            f"not proven lately: {names}" if unproven else names,
            "Run a verify or restore test of each copy.",
        )
    return SpreadAnswer(wanted, True, "every copy has passed a check")
