"""Which rules are there, what holds for them, and what would each say now?"""

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
from monitor.wording.lengths import chosen_length

MAX_RESULTS = 50
# For lists to choose from, by title.
RULE_TITLES = sorted(
    ((rule.name, rule.title) for rule in RULES.values()), key=lambda choice: choice[1]
)
ANYBODY = Subject("", "")


@dataclass(frozen=True, slots=True)
class ThresholdRow:
    """One threshold: what holds for all, and what it is by itself."""

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
    """One rule as it holds for all."""

    rule: AnyRule
    enabled: bool
    severity: str
    thresholds: Sequence[ThresholdRow]
    pending: str
    # Settings for some of the fleet only.
    exceptions: int
    open_alerts: int
    # What it would say now; None where nobody has asked.
    preview: RulePreview | None

    @property
    def state(self) -> str:
        return "enabled" if self.enabled else "disabled"


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One stored setting, in words."""

    setting: RuleSetting
    scope: str
    words: str


@dataclass(frozen=True, slots=True)
class RuleView:
    row: RuleRow
    settings: Sequence[SettingRow]
    results: Sequence[RuleResult]


def load_rules(now: datetime, *, dry_run: bool) -> list[RuleRow]:
    """Return every rule; with ``dry_run`` each has been asked about the whole fleet."""
    previews = {each.rule.name: each for each in preview_rules(now)} if dry_run else {}
    narrow = RuleSetting.objects.exclude(group=None, schedule=None, instance=None)
    return _rows(list(RULES.values()), Counter(narrow.values_list("rule", flat=True)), previews)


def load_rule(name: str, now: datetime, *, dry_run: bool) -> RuleView | None:
    """Load the page of a rule; None where there is none of that name."""
    rule = RULES.get(name)
    if rule is None:
        return None
    stored = RuleSetting.objects.filter(rule=name).select_related("group", "schedule", "instance")
    settings = [SettingRow(each, _scope(each), _words(each, rule)) for each in stored]
    exceptions = Counter(name for each in settings if each.scope != "Everything")
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
    standing = Alert.objects.filter(
        status__in=OPEN_ALERT_STATUSES, rule__in=[r.name for r in rules]
    )
    counts = standing.order_by().values_list("rule").annotate(Count("id"))
    open_alerts = Counter(dict(counts))
    found = []
    for rule in rules:
        settings = book.settings_of(rule, ANYBODY)
        limits = settings.limits.values
        found.append(
            RuleRow(
                rule,
                settings.enabled,
                (settings.severity or rule.severity).label.lower(),
                [ThresholdRow(each, limits[each.name]) for each in rule.thresholds],
                chosen_length(settings.pending_for) if settings.pending_for else "",
                exceptions[rule.name],
                open_alerts[rule.name],
                previews.get(rule.name),
            )
        )
    return found


def _scope(setting: RuleSetting) -> str:
    if setting.instance:
        return f"Instance {setting.instance}"
    if setting.schedule:
        return f"Schedule {setting.schedule}"
    return f"Group {setting.group}" if setting.group else "Everything"


def _words(setting: RuleSetting, rule: AnyRule) -> str:
    words = [] if setting.enabled is None else ["on" if setting.enabled else "off"]
    if setting.severity is not None:
        words.append(Severity(setting.severity).label.lower())
    if setting.pending_for is not None:
        words.append(f"fires after {chosen_length(setting.pending_for)}")
    own = setting.thresholds
    words += [
        f"{each.label.lower()} {number_in_words(own[each.name], each)}"
        for each in rule.thresholds
        if each.name in own
    ]
    return ", ".join(words) or "nothing differs"
