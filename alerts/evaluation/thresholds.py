"""Which settings apply to a subject? The narrowest wins: instance, schedule, group, all.

All settings are read at once and resolved in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from alerts.facts.subject import Subject
from alerts.models import RuleSetting
from alerts.rules import RULES, AnyRule, Limits
from alerts.states import Severity


@dataclass(frozen=True, slots=True)
class EffectiveSettings:
    """What applies to one rule and one subject."""

    enabled: bool
    # None: the severity of the finding.
    severity: Severity | None
    pending_for: timedelta
    limits: Limits


@dataclass(frozen=True, slots=True)
class RuleOverride:
    """What a rule setting changes, and for which part of the fleet."""

    rule: str
    group_id: int | None = None
    schedule_id: int | None = None
    instance_id: int | None = None
    enabled: bool | None = None
    severity: int | None = None
    pending_for: timedelta | None = None
    thresholds: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def width(self) -> int:
        """How wide its scope is: wider scopes are applied first."""
        if self.instance_id is not None:
            return 0
        if self.schedule_id is not None:
            return 1
        return 3 if self.group_id is None else 2

    def fits(self, subject: Subject) -> bool:
        if self.instance_id is not None:
            return self.instance_id == subject.instance_id
        if self.schedule_id is not None:
            # A planned run has one schedule; an instance has every schedule that covers it.
            if subject.schedule_id is not None:
                return self.schedule_id == subject.schedule_id
            return self.schedule_id in subject.schedule_ids
        return self.group_id is None or self.group_id in subject.group_ids


class SettingsBook:
    """The settings of every rule for every subject."""

    def __init__(self, changes: Iterable[RuleOverride] = ()) -> None:
        widest_first = sorted(changes, key=lambda change: -change.width)
        self._for_all: dict[str, EffectiveSettings] = {
            name: _defaults(rule) for name, rule in RULES.items()
        }
        self._narrower: dict[str, list[RuleOverride]] = {}
        for change in widest_first:
            if change.rule not in RULES:
                continue
            if change.width == 3:
                self._for_all[change.rule] = _apply(self._for_all[change.rule], change)
            else:
                self._narrower.setdefault(change.rule, []).append(change)

    def enabled(self, rule: AnyRule) -> bool:
        """Whether a rule is enabled for the whole fleet, narrower settings aside."""
        return self._for_all[rule.name].enabled

    def enabled_anywhere(self, rule: AnyRule) -> bool:
        """Whether a rule is enabled for the whole fleet or any part of it."""
        narrower = self._narrower.get(rule.name, ())
        return self.enabled(rule) or any(change.enabled for change in narrower)

    def settings_of(self, rule: AnyRule, subject: Subject) -> EffectiveSettings:
        """Return what applies; of several settings of equal scope the newest wins."""
        settings = self._for_all.get(rule.name) or _defaults(rule)
        for change in self._narrower.get(rule.name, ()):
            if change.fits(subject):
                settings = _apply(settings, change)
        return settings


def load_settings() -> SettingsBook:
    """Read all settings in one query."""
    names = (
        "rule", "group_id", "schedule_id", "instance_id",
        "enabled", "severity", "pending_for", "thresholds",
    )  # fmt: skip
    rows = RuleSetting.objects.order_by("id").values_list(*names)
    return SettingsBook(RuleOverride(*row) for row in rows)


def threshold_faults(rule: str, thresholds: object) -> Sequence[str]:
    """Return what is wrong with these thresholds; empty when they are valid."""
    known = RULES.get(rule)
    if known is None:
        return [f"no rule is named {rule}"]
    if not isinstance(thresholds, Mapping):
        return ["thresholds must be an object of names and numbers"]
    units = known.units()
    faults = [f"{rule} has no threshold named {name}" for name in thresholds if name not in units]
    faults += [
        f"{name}: {value!r} must be a number, 0 or more, or null"
        for name, value in thresholds.items()
        if name in units and not _is_limit(value)
    ]
    return faults


def _is_limit(value: object) -> bool:
    if value is None:
        return True
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _defaults(rule: AnyRule) -> EffectiveSettings:
    limits = Limits(rule.defaults(), rule.units())
    return EffectiveSettings(rule.enabled, None, rule.pending_for, limits)


def _apply(settings: EffectiveSettings, change: RuleOverride) -> EffectiveSettings:
    units = settings.limits.units
    # A row written past the forms: one invalid row must not stop every rule.
    thresholds = change.thresholds if isinstance(change.thresholds, Mapping) else {}
    given = {name: value for name, value in thresholds.items() if name in units}
    return replace(
        settings,
        enabled=settings.enabled if change.enabled is None else change.enabled,
        severity=settings.severity if change.severity is None else Severity(change.severity),
        pending_for=settings.pending_for if change.pending_for is None else change.pending_for,
        limits=Limits({**settings.limits.values, **given}, units),
    )
