"""Is an instance protected, and if not, why?

Pure: facts in, a level and its reasons out. What is bad is said before what is not known,
and what is not known before what is good.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.units import format_duration

# Without a schedule of fulls to go by, as long as MySQL Enterprise Monitor waited.
OLDEST_FULL = timedelta(days=7)
# A proof says less of a backup taken a quarter of a year later.
OLDEST_PROOF = timedelta(days=90)
# Clocks of two hosts differ by less than this.
CLOCK_TOLERANCE = timedelta(minutes=10)
BAD_ENDS = frozenset({"failed", "lost"})


class Level(enum.StrEnum):
    """Worst first: the order in which people should look."""

    UNPROTECTED = "unprotected"  # nothing to restore from, or nobody sees to the next backup
    AT_RISK = "at_risk"  # there is a backup, and something speaks against relying on it
    UNKNOWN = "unknown"  # nobody can say: neither a fault nor a pass
    PROTECTED = "protected"  # a schedule covers it, its newest full is young, nothing is wrong
    DISABLED = "disabled"  # Mooring was told to leave it alone


@dataclass(frozen=True, slots=True)
class Cover:
    """One enabled schedule that covers the instance."""

    name: str
    makes_full: bool = True
    observed: bool = False
    paused: bool = False
    # The longest there may be between two of its runs, the window included.
    longest_wait: timedelta = OLDEST_FULL


@dataclass(frozen=True, slots=True)
class Slip:
    """The newest planned run of a schedule, where it did not go as planned."""

    schedule: str
    # "missed", "failed", "late", or "away": it waits because the instance does not answer.
    how: str


@dataclass(frozen=True, slots=True)
class ProtectionFacts:
    """What is known of one instance at one moment; None and blank are not known."""

    now: datetime
    enabled: bool = True
    covers: Sequence[Cover] = ()
    # The end of the newest full backup that can still be restored, ours or an observed one.
    last_full_at: datetime | None = None
    # How the newest backup job that ended did end.
    last_run: str = ""
    slips: Sequence[Slip] = ()
    # Which proofs of the newest backup failed: "verify", "restore test".
    failed_proofs: Sequence[str] = ()
    # When anything of the instance was last verified or restore-tested.
    proven_at: datetime | None = None
    # How many stored copies cannot be read, and why; blank where all can.
    unusable_copies: str = ""
    # Why the history of the tool that backs it up cannot be read; blank where it can.
    history_fault: str = ""
    # Why it does not answer; blank where it does, or nobody has asked.
    unreachable: str = ""


@dataclass(frozen=True, slots=True)
class Protection:
    """The answer, and every reason for it."""

    level: Level
    reasons: tuple[str, ...]


def judge(facts: ProtectionFacts) -> Protection:
    """Say how protected an instance is; each level has at least one reason."""
    if not facts.enabled:
        return Protection(Level.DISABLED, ("disabled: nothing backs it up",))
    unknown = _unknowns(facts)
    # A history nobody can read may hold the backups that seem to be missing.
    if facts.history_fault and facts.last_full_at is None:
        return Protection(Level.UNKNOWN, tuple(unknown))
    for level, reasons in (
        (Level.UNPROTECTED, _lacks(facts)),
        (Level.AT_RISK, _risks(facts)),
        (Level.UNKNOWN, unknown),
    ):
        if reasons:
            return Protection(level, tuple(reasons))
    names = ", ".join(cover.name for cover in facts.covers)
    return Protection(Level.PROTECTED, (f"covered by {names}",))


def oldest_full(covers: Sequence[Cover]) -> timedelta:
    """Return how old the newest full may be: the shortest rhythm of fulls decides."""
    waits = [cover.longest_wait for cover in covers if cover.makes_full and not cover.paused]
    return min(waits, default=OLDEST_FULL)


def _lacks(facts: ProtectionFacts) -> list[str]:
    reasons = []
    if facts.last_full_at is None:
        reasons.append("no full backup to restore from")
    if not facts.covers:
        reasons.append("no schedule covers it")
    return reasons


def _risks(facts: ProtectionFacts) -> list[str]:
    reasons = []
    if facts.last_run in BAD_ENDS:
        reasons.append("last backup was lost" if facts.last_run == "lost" else "last backup failed")
    reasons += [f"{slip.schedule} {slip.how}" for slip in facts.slips if slip.how != "away"]
    limit = oldest_full(facts.covers)
    if facts.last_full_at and facts.now - facts.last_full_at > limit:
        reasons.append(f"newest full is older than {format_duration(limit)}")
    if any(at and at > facts.now + CLOCK_TOLERANCE for at in (facts.last_full_at, facts.proven_at)):
        reasons.append("a backup or its proof is dated in the future: check the clocks")
    if facts.unusable_copies:
        reasons.append(facts.unusable_copies)
    reasons += [f"{proof} failed" for proof in facts.failed_proofs]
    if facts.proven_at and facts.now - facts.proven_at > OLDEST_PROOF:
        reasons.append(f"nothing proven for {OLDEST_PROOF.days} days")
    if facts.covers and all(cover.paused for cover in facts.covers):
        reasons.append("its schedules are paused")
    return reasons


def _unknowns(facts: ProtectionFacts) -> list[str]:
    reasons = []
    if facts.history_fault:
        reasons.append(f"backup history cannot be read: {facts.history_fault}")
    if facts.unreachable or any(slip.how == "away" for slip in facts.slips):
        reasons.append(f"does not answer: {facts.unreachable}".rstrip(": "))
    return reasons
