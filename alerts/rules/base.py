"""What is a rule? A pure check of facts, with its thresholds and its texts.

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
    """The unit of a threshold."""

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
# A threshold of one of these names is where that severity starts.
LEVELS: Mapping[str, Severity] = {
    "emergency": Severity.EMERGENCY,
    "critical": Severity.CRITICAL,
    "warning": Severity.WARNING,
    "notice": Severity.NOTICE,
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A configurable limit. Without a default it is off until a person sets it."""

    name: str
    label: str
    unit: Unit
    default: float | None


@dataclass(frozen=True, slots=True)
class Limits:
    """The thresholds that apply to one subject."""

    values: Mapping[str, float | None]
    units: Mapping[str, Unit]

    def number(self, name: str) -> float | None:
        return self.values[name]

    def length(self, name: str) -> timedelta | None:
        value = self.values[name]
        return None if value is None else value * _LENGTHS[self.units[name]]

    def reached(self, length: timedelta) -> Severity | None:
        """Return the highest severity whose threshold ``length`` has reached."""
        for name, severity in LEVELS.items():
            limit = self.length(name) if name in self.values else None
            if limit is not None and length >= limit:
                return severity
        return None

    def risen_to(self, number: float) -> Severity | None:
        """Return the highest severity whose threshold ``number`` has reached."""
        for name, severity in LEVELS.items():
            limit = self.values.get(name)
            if limit is not None and number >= limit:
                return severity
        return None

    def fallen_to(self, number: float) -> Severity | None:
        """Return the highest severity whose threshold ``number`` has fallen to."""
        for name, severity in LEVELS.items():
            limit = self.values.get(name)
            if limit is not None and number <= limit:
                return severity
        return None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found wrong. Without a severity, that of the rule applies."""

    message: str
    severity: Severity | None = None
    # Shown with the alert: those of the first and of the newest finding. JSON.
    facts: Mapping[str, object] = field(default_factory=dict)
    # Replaces the hint of the rule, if the failure has a hint of its own.
    hint: str = ""
    # The event it is about, such as job:88: another event fires an acknowledged alert again.
    episode: str = ""


@dataclass(frozen=True, slots=True)
class Rule(Generic[AnyFacts]):
    """A check, with its texts and settings."""

    name: str
    title: str
    about: type[AnyFacts]
    check: Callable[[AnyFacts, Limits], Finding | None]
    severity: Severity
    explanation: str
    hint: str
    # When its alert is resolved, as a sentence.
    resolves_when: str
    thresholds: tuple[Threshold, ...] = ()
    enabled: bool = True
    # How long a finding has to last before its alert fires.
    pending_for: timedelta = timedelta(0)
    # How long the finding has to be gone before its alert is resolved.
    damping: timedelta = timedelta(0)
    # An event, not a state: its alert is resolved as soon as it is recorded.
    event: bool = False
    # Rules that take over the same subject or job: while one of their alerts is open, no
    # recovery is sent for this one.
    superseded_by: tuple[str, ...] = ()

    def units(self) -> Mapping[str, Unit]:
        return {threshold.name: threshold.unit for threshold in self.thresholds}

    def defaults(self) -> Mapping[str, float | None]:
        return {threshold.name: threshold.default for threshold in self.thresholds}


STATE_DAMPING = timedelta(minutes=5)
