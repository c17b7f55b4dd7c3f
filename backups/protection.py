"""Is an instance protected, and if not, why?

Pure: facts in, a level and its reasons out. Faults take precedence over unknown facts, and
unknown facts over good ones.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.units import format_duration

# Without a schedule of full backups: the limit of MySQL Enterprise Monitor.
OLDEST_FULL = timedelta(days=7)
# An older proof says little about the backups taken since.
OLDEST_PROOF = timedelta(days=90)
# Allowed difference between the clocks of two hosts.
CLOCK_TOLERANCE = timedelta(minutes=10)
# How a backup job ended badly, as an instance's reason.
BAD_ENDS: Mapping[str, str] = {
    "failed": "last backup failed",
    "lost": "last backup was lost",
    "refused": "last backup was refused",
}


class Level(enum.StrEnum):
    """Worst first: the order in which people should look."""

    UNPROTECTED = "unprotected"  # no full backup to restore from, or no schedule
    AT_RISK = "at_risk"  # there is a backup, and a reason not to rely on it
    UNKNOWN = "unknown"  # facts are missing: neither a fault nor a pass
    PROTECTED = "protected"  # covered by a schedule, recent full backup, no fault
    DISABLED = "disabled"  # disabled by an admin: not backed up


@dataclass(frozen=True, slots=True)
class Cover:
    """One enabled schedule that covers the instance."""

    name: str
    # Whether it plans full backups, and not only as the first of a chain.
    makes_full: bool = True
    observed: bool = False
    paused: bool = False
    # The longest time between two of its full backups, window included.
    longest_wait: timedelta = OLDEST_FULL


@dataclass(frozen=True, slots=True)
class Slip:
    """An irregularity of the newest planned run of a schedule."""

    schedule: str
    # "was missed", "failed", "was refused", "is late", or "unreachable": it waits for the instance.
    how: str


@dataclass(frozen=True, slots=True)
class ProtectionFacts:
    """What is known of one instance at one moment; None and blank are not known."""

    now: datetime
    enabled: bool = True
    covers: Sequence[Cover] = ()
    # The end of the newest full backup that can still be restored, ours or an observed one.
    last_full_at: datetime | None = None
    # The status of the newest backup job that has ended with a result.
    last_run: str = ""
    slips: Sequence[Slip] = ()
    # Which proofs of the newest backup failed: "verify", "restore test".
    failed_proofs: Sequence[str] = ()
    # When anything of the instance was last verified or restore-tested.
    proven_at: datetime | None = None
    # How many stored copies are unusable, and why; blank if none.
    unusable_copies: str = ""
    # How many backups lack a copy that was to be made and failed, and where; blank if none.
    missing_copies: str = ""
    # A repository of its copies that is on the disk of its data; blank if none is known.
    shared_disk: str = ""
    # Why the history of its backup tool cannot be read; blank if it can.
    history_fault: str = ""
    # Why it is unreachable; blank if it is reachable or has not been probed.
    unreachable: str = ""


@dataclass(frozen=True, slots=True)
class Protection:
    """The answer, and every reason for it."""

    level: Level
    reasons: tuple[str, ...]


def judge(facts: ProtectionFacts) -> Protection:
    """Assess how protected an instance is; each level has at least one reason."""
    answer = _judge(facts)
    if not facts.shared_disk:
        return answer
    # A note, not a fault: whether another disk is wanted is for people to decide.
    note = f"{facts.shared_disk} shares a disk with what it protects"
    return Protection(answer.level, (*answer.reasons, note))


def _judge(facts: ProtectionFacts) -> Protection:
    if not facts.enabled:
        return Protection(Level.DISABLED, ("disabled: it is not backed up",))
    unknown = _unknowns(facts)
    # An unreadable history may contain the backups that seem to be missing.
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
    """Return how old the newest full may be: the most frequent full schedule decides.

    Without one it is the longest chain that any schedule leads to.
    """
    active = [cover for cover in covers if not cover.paused]
    waits = [cover.longest_wait for cover in active if cover.makes_full]
    chains = [cover.longest_wait for cover in active if not cover.makes_full]
    return min(waits, default=max([OLDEST_FULL, *chains]))


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
        reasons.append(BAD_ENDS[facts.last_run])
    reasons += [f"{slip.schedule} {slip.how}" for slip in facts.slips if slip.how != "unreachable"]
    limit = oldest_full(facts.covers)
    if facts.last_full_at and facts.now - facts.last_full_at > limit:
        reasons.append(f"newest full backup is older than {format_duration(limit)}")
    if any(at and at > facts.now + CLOCK_TOLERANCE for at in (facts.last_full_at, facts.proven_at)):
        reasons.append("a backup or its proof is dated in the future: check the clocks")
    if facts.unusable_copies:
        reasons.append(facts.unusable_copies)
    if facts.missing_copies:
        reasons.append(facts.missing_copies)
    reasons += [f"{proof} failed" for proof in facts.failed_proofs]
    if facts.proven_at and facts.now - facts.proven_at > OLDEST_PROOF:
        reasons.append(f"no backup verified or restore-tested for {OLDEST_PROOF.days} days")
    if facts.covers and all(cover.paused for cover in facts.covers):
        reasons.append("its schedules are paused")
    return reasons


def _unknowns(facts: ProtectionFacts) -> list[str]:
    reasons = []
    if facts.history_fault:
        reasons.append(f"backup history cannot be read: {facts.history_fault}")
    if facts.unreachable or any(slip.how == "unreachable" for slip in facts.slips):
        reasons.append(f"unreachable: {facts.unreachable}".rstrip(": "))
    return reasons
