"""Which backups may be deleted, and why is each of the others kept?

Pure. A backup may be deleted when it is older than its schedule keeps it and nothing else requires
it. After a failed run nothing is deleted: the old backups may be needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.units import format_duration


@dataclass(frozen=True, slots=True)
class Entry:
    """One backup of a schedule and an instance that has a stored copy."""

    label: str
    ended_at: datetime
    # Labels of the stored backups that cannot be restored without it.
    dependents: frozenset[str] = frozenset()
    pinned: bool = False
    # False if its last verify or restore test failed; an unproven backup counts as sound.
    sound: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """How long a schedule keeps its backups. None is for ever."""

    schedule: str
    keep_for: timedelta | None
    keep_least: int

    def __str__(self) -> str:
        if self.keep_for is None:
            return f"schedule {self.schedule} keeps everything"
        length = format_duration(self.keep_for)
        return f"schedule {self.schedule} keeps {length} and at least {self.keep_least}"


@dataclass(frozen=True, slots=True)
class RetentionDecision:
    """Whether a backup may be deleted, and the reason either way."""

    label: str
    may_go: bool
    reason: str


def rule(
    entries: Iterable[Entry], policy: Policy, now: datetime, *, newest_run_failed: str = ""
) -> list[RetentionDecision]:
    """Decide about every backup, the newest first; ``newest_run_failed`` is how, if it did."""
    newest_first = sorted(entries, key=lambda each: (each.ended_at, each.label), reverse=True)
    least = _least(newest_first, max(1, policy.keep_least))
    rulings: list[RetentionDecision] = []
    going: set[str] = set()
    # Dependents are newer than their base, so they have been decided already.
    for entry in newest_first:
        why_kept = _why_kept(entry, policy, now, newest_run_failed, least, going)
        if not why_kept:
            going.add(entry.label)
        age = format_duration(now - entry.ended_at)
        reason = why_kept or f"{policy}: this one is {age} old"
        rulings.append(RetentionDecision(entry.label, not why_kept, reason))
    return rulings


def _least(newest_first: Sequence[Entry], count: int) -> set[str]:
    # A damaged one does not count: it cannot be relied on.
    return {entry.label for entry in [each for each in newest_first if each.sound][:count]}


def _why_kept(
    entry: Entry,
    policy: Policy,
    now: datetime,
    newest_run_failed: str,
    least: set[str],
    going: set[str],
) -> str:
    if policy.keep_for is None:
        return str(policy)
    if entry.pinned:
        return "pinned"
    if now - entry.ended_at < policy.keep_for:
        return f"kept until {entry.ended_at + policy.keep_for:%Y-%m-%d %H:%M}Z"
    if entry.label in least:
        return f"one of the {policy.keep_least} newest"
    if needing := sorted(entry.dependents - going):
        return f"needed to restore {', '.join(needing)}"
    if newest_run_failed:
        return f"nothing is deleted while the newest run is {newest_run_failed}"
    return ""
