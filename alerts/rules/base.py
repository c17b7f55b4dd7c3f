"""What is a rule? A pure question about facts, with its thresholds and its words.

Nothing here reads the clock or the database.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

from alerts.facts.subject import Facts
from alerts.states import Severity

AnyFacts = TypeVar("AnyFacts", bound=Facts, contravariant=True)


class Unit(enum.Enum):
    """What a threshold counts."""

    SECONDS = "s"
    MINUTES = "min"
    HOURS = "h"
    DAYS = "d"
    PERCENT = "%"
    TIMES = "times"
    COUNT = ""


_LENGTHS: Mapping[Unit, timedelta] = {
    Unit.SECONDS: timedelta(seconds=1),
    Unit.MINUTES: timedelta(minutes=1),
    Unit.HOURS: timedelta(hours=1),
    Unit.DAYS: timedelta(days=1),
}
# The thresholds of these names say from where on a finding has that severity.
LEVELS: Mapping[str, Severity] = {
    "emergency": Severity.EMERGENCY,
    "critical": Severity.CRITICAL,
    "warning": Severity.WARNING,
    "notice": Severity.NOTICE,
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A figure that people may change. No default: it is off until somebody gives one."""

    name: str
    label: str
    unit: Unit
    default: float | None


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds that hold for one subject."""

    values: Mapping[str, float | None]
    units: Mapping[str, Unit]

    def number(self, name: str) -> float | None:
        return self.values[name]

    def length(self, name: str) -> timedelta | None:
        value = self.values[name]
        return None if value is None else value * _LENGTHS[self.units[name]]

    def reached(self, length: timedelta) -> Severity | None:
        """Return the worst level whose threshold ``length`` has come to."""
        for name, severity in LEVELS.items():
            limit = self.length(name) if name in self.values else None
            if limit is not None and length >= limit:
                return severity
        return None

    def fallen_to(self, number: float) -> Severity | None:
        """Return the worst level whose threshold ``number`` has come down to."""
        for name, severity in LEVELS.items():
            limit = self.values.get(name)
            if limit is not None and number <= limit:
                return severity
        return None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong: a rule's answer. Without a severity it has its rule's."""

    message: str
    severity: Severity | None = None
    # Shown with the alert, as it was first and as it is now. JSON.
    facts: Mapping[str, object] = field(default_factory=dict)
    # In the place of the rule's own, where what went wrong brought one along.
    hint: str = ""
    # What happened, where it can happen again: somebody who has seen the first is told anew.
    episode: str = ""


@dataclass(frozen=True, slots=True)
class Rule(Generic[AnyFacts]):
    """A question, and everything that is said about it."""

    name: str
    title: str
    about: type[AnyFacts]
    check: Callable[[AnyFacts, Limits], Finding | None]
    severity: Severity
    explanation: str
    hint: str
    # When it is over, as a sentence.
    over: str
    thresholds: tuple[Threshold, ...] = ()
    enabled: bool = True
    # How long a finding stands before its alert fires.
    pending_for: timedelta = timedelta(0)
    # How long it must be gone before its alert is resolved.
    damping: timedelta = timedelta(0)
    # It happened and is not a state: its alert is resolved as soon as it is told.
    event: bool = False

    def units(self) -> Mapping[str, Unit]:
        return {threshold.name: threshold.unit for threshold in self.thresholds}

    def defaults(self) -> Mapping[str, float | None]:
        return {threshold.name: threshold.default for threshold in self.thresholds}


STATE_DAMPING = timedelta(minutes=5)
