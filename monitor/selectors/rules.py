"""Which rules are there, which settings apply, and what would each find now?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from alerts.evaluation.findings import RuleResult
from alerts.evaluation.preview import RulePreview, preview_rules
from alerts.evaluation.thresholds import load_settings
from alerts.facts.subject import Subject
from alerts.models import Alert, RuleSetting
from alerts.rules import RULES, AnyRule, Threshold
from alerts.states import OPEN_ALERT_STATUSES, Severity
from monitor.wording.lengths import format_configured_length

MAX_RESULTS = 50
# Choices of forms, sorted by title.
RULE_TITLES = sorted(
    ((rule.name, rule.title) for rule in RULES.values()), key=lambda choice: choice[1]
)
ANY_SUBJECT = Subject("", "")


@dataclass(frozen=True, slots=True)
class ThresholdRow:
    """One threshold: its value for the whole fleet, and its default."""

    threshold: Threshold
    value: float | None

    @property
    def own(self) -> bool:
        return self.value != self.threshold.default

    @property
    def words(self) -> str:
        return number_in_words(self.value, self.threshold)

    @property
    def default(self) -> str:
        return number_in_words(self.threshold.default, self.threshold)


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule as it applies to the whole fleet."""

    rule: AnyRule
    enabled: bool
    severity: str
    thresholds: Sequence[ThresholdRow]
    pending: str
    # The number of settings for part of the fleet.
    exceptions: int
    open_alerts: int
    # The result of a dry run; None without one.
    preview: RulePreview | None

    @property
    def state(self) -> str:
        return "enabled" if self.enabled else "disabled"


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One stored setting, as text."""

    setting: RuleSetting
    scope: str
    words: str


@dataclass(frozen=True, slots=True)
class RuleView:
    row: RuleRow
    settings: Sequence[SettingRow]
    results: Sequence[RuleResult]


def load_rules(now: datetime, *, dry_run: bool) -> list[RuleRow]:
    """Return every rule; with ``dry_run``, checked on the whole fleet."""
    previews = {preview.rule.name: preview for preview in preview_rules(now)} if dry_run else {}
    narrow = RuleSetting.objects.exclude(group=None, schedule=None, instance=None)
    return _rows(list(RULES.values()), Counter(narrow.values_list("rule", flat=True)), previews)


def load_rule(name: str, now: datetime, *, dry_run: bool) -> RuleView | None:
    """Load the page of a rule; None if it does not exist."""
    rule = RULES.get(name)
    if rule is None:
        return None
    stored = RuleSetting.objects.filter(rule=name).select_related("group", "schedule", "instance")
    settings = [SettingRow(row, _scope(row), _changes(row, rule)) for row in stored]
    exceptions = Counter(name for setting in settings if setting.scope != "Whole fleet")
    previews = {name: preview_rules(now, names=[name])[0]} if dry_run else {}
    row = _rows([rule], exceptions, previews)[0]
    results = (
        sorted(row.preview.results, key=lambda result: -result.severity) if row.preview else []
    )
    return RuleView(row, settings, results[:MAX_RESULTS])


def number_in_words(value: float | None, threshold: Threshold) -> str:
    return "off" if value is None else f"{value:g} {threshold.unit.value}".strip()


def _rows(
    rules: Sequence[AnyRule], exceptions: Counter[str], previews: dict[str, RulePreview]
) -> list[RuleRow]:
    book = load_settings()
    alerts = Alert.objects.filter(status__in=OPEN_ALERT_STATUSES, rule__in=[r.name for r in rules])
    counts = alerts.order_by().values_list("rule").annotate(Count("id"))
    open_alerts = Counter(dict(counts))
    rows = []
    for rule in rules:
        settings = book.settings_of(rule, ANY_SUBJECT)
        limits = settings.limits.values
        rows.append(
            RuleRow(
                rule,
                settings.enabled,
                (settings.severity or rule.severity).label.lower(),
                [ThresholdRow(row, limits[row.name]) for row in rule.thresholds],
                format_configured_length(settings.pending_for) if settings.pending_for else "",
                exceptions[rule.name],
                open_alerts[rule.name],
                previews.get(rule.name),
            )
        )
    return rows


def _scope(setting: RuleSetting) -> str:
    if setting.instance:
        return f"Instance {setting.instance}"
    if setting.schedule:
        return f"Schedule {setting.schedule}"
    return f"Group {setting.group}" if setting.group else "Whole fleet"


def _changes(setting: RuleSetting, rule: AnyRule) -> str:
    words = [] if setting.enabled is None else ["on" if setting.enabled else "off"]
    if setting.severity is not None:
        words.append(Severity(setting.severity).label.lower())
    if setting.pending_for is not None:
        words.append(f"fires after {format_configured_length(setting.pending_for)}")
    values = setting.thresholds
    words += [
        f"{threshold.label.lower()} {number_in_words(values[threshold.name], threshold)}"
        for threshold in rule.thresholds
        if threshold.name in values
    ]
    return ", ".join(words) or "no changes"
