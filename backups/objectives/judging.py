"""Is an instance recoverable within its objectives? A level and all its reasons. Pure.

Nothing is guessed: where an interval contains the objective, or there is none, it is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from backups.objectives.narrowest import Objectives
from backups.states import ObjectiveLevel
from backups.units import format_duration

# The level of both is the first of these that one of them has.
WORST_FIRST = (
    ObjectiveLevel.MISSED,
    ObjectiveLevel.UNKNOWN,
    ObjectiveLevel.AT_RISK,
    ObjectiveLevel.MET,
)


@dataclass(frozen=True, slots=True)
class PredictedRecovery:
    """How long a recovery should take. ``middle`` None: unknown; ends None: no interval."""

    low: timedelta | None = None
    middle: timedelta | None = None
    high: timedelta | None = None
    # From what, or why it is unknown.
    basis: str = ""

    @property
    def words(self) -> str:
        if self.middle is None:
            return self.basis
        if self.low is None or self.high is None:
            return f"{format_duration(self.middle)}, measured once, {self.basis}"
        return f"{format_duration(self.low)} to {format_duration(self.high)}, {self.basis}"


@dataclass(frozen=True, slots=True)
class ObjectiveFacts:
    """What is known of one instance at one moment."""

    now: datetime
    objectives: Objectives
    # The newest moment that a recovery reaches; None: none.
    reached_at: datetime | None = None
    # Whether its binlogs are archived, and else the longest time between two planned backups.
    archived: bool = False
    longest_pause: timedelta | None = None
    recovery: PredictedRecovery = PredictedRecovery()
    # From when on the trend misses them.
    rpo_missed_from: date | None = None
    rto_missed_from: date | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """The answer for each objective, and for both."""

    rpo: ObjectiveLevel
    rto: ObjectiveLevel
    reasons: tuple[str, ...]

    @property
    def level(self) -> ObjectiveLevel:
        found = (level for level in WORST_FIRST if level in (self.rpo, self.rto))
        return next(found, ObjectiveLevel.NONE)


def judge(facts: ObjectiveFacts) -> Judged:
    """Compare an instance with its objectives; each level but "none" has a reason."""
    rpo, rpo_reason = _judge_point(facts)
    rto, rto_reason = _judge_time(facts)
    return Judged(rpo, rto, tuple(reason for reason in (rpo_reason, rto_reason) if reason))


def _judge_point(facts: ObjectiveFacts) -> tuple[ObjectiveLevel, str]:
    if facts.objectives.rpo is None:
        return ObjectiveLevel.NONE, ""
    rpo = facts.objectives.rpo.length
    name = f"RPO {format_duration(rpo)}"
    if facts.reached_at is None:
        return ObjectiveLevel.MISSED, f"{name}: nothing can be restored"
    age = max(facts.now - facts.reached_at, timedelta(0))
    reached = f"recoverable to {format_duration(age)} ago"
    if age > rpo:
        return ObjectiveLevel.MISSED, f"{name}: {reached}"
    pause = facts.longest_pause
    if not facts.archived and pause is not None and pause > rpo:
        why = f"no binlogs are archived, and planned backups are {format_duration(pause)} apart"
        return ObjectiveLevel.AT_RISK, f"{name}: will be missed: {why}"
    if facts.rpo_missed_from is not None:
        return ObjectiveLevel.AT_RISK, f"{name}: {_by_trend(facts.rpo_missed_from)}"
    return ObjectiveLevel.MET, f"{name}: {reached}"


def _judge_time(facts: ObjectiveFacts) -> tuple[ObjectiveLevel, str]:
    if facts.objectives.rto is None:
        return ObjectiveLevel.NONE, ""
    rto, found = facts.objectives.rto.length, facts.recovery
    name = f"RTO {format_duration(rto)}"
    if facts.reached_at is None:
        return ObjectiveLevel.MISSED, f"{name}: nothing can be restored"
    if found.middle is None or found.high is None:
        return ObjectiveLevel.UNKNOWN, f"{name}: unknown: {found.words}"
    if found.middle > rto:
        return ObjectiveLevel.MISSED, f"{name}: a recovery takes {found.words}"
    if found.high > rto:
        return ObjectiveLevel.UNKNOWN, f"{name}: unknown: a recovery takes {found.words}"
    if facts.rto_missed_from is not None:
        return ObjectiveLevel.AT_RISK, f"{name}: {_by_trend(facts.rto_missed_from)}"
    return ObjectiveLevel.MET, f"{name}: a recovery takes {found.words}"


def _by_trend(day: date) -> str:
    return f"will be missed from {day:%Y-%m-%d} on, by the trend of the last days"
