"""What would each rule find now? A dry run: nothing is written, no notification is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.evaluation.evaluate import chunks
from alerts.evaluation.findings import RuleResult, check_rules
from alerts.evaluation.thresholds import SettingsBook, load_settings
from alerts.facts import Facts, load_fleet_facts, load_site_facts
from alerts.rules import COPIES_NOT_SPREAD, RULES, AnyRule
from backups.models import Instance


@dataclass(slots=True)
class RulePreview:
    """What one rule would find, whether it is enabled or not."""

    rule: AnyRule
    # For the whole fleet; settings for parts of the fleet are not included.
    enabled: bool
    results: list[RuleResult]
    # The error it raised; blank where it works.
    broken: str = ""

    @property
    def count(self) -> int:
        return len(self.results)


def preview_rules(
    now: datetime, *, names: Sequence[str] = (), instance_ids: Sequence[int] | None = None
) -> list[RulePreview]:
    """Check some rules, by default all, on some instances, by default all and the site."""
    book = load_settings()
    rules = [rule for rule in RULES.values() if not names or rule.name in names]
    previews = {rule.name: RulePreview(rule, book.enabled(rule), []) for rule in rules}
    whole_fleet = instance_ids is None
    all_ids = Instance.objects.order_by("id").values_list("id", flat=True)
    for chunk in chunks(list(all_ids) if instance_ids is None else instance_ids):
        facts = load_fleet_facts(chunk, now, with_spread=COPIES_NOT_SPREAD in rules)
        _add(previews, facts, rules, book)
    if whole_fleet:
        _add(previews, load_site_facts(now), rules, book)
    return list(previews.values())


def _add(
    previews: dict[str, RulePreview],
    facts: Sequence[Facts],
    rules: Sequence[AnyRule],
    book: SettingsBook,
) -> None:
    results = check_rules(facts, book, rules=rules, include_disabled=True)
    for result in results.by_key.values():
        previews[result.rule.name].results.append(result)
    for name, error in results.broken.items():
        previews[name].broken = error
