"""What would each rule say now? A dry run: nothing is written, and nobody is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from alerts.evaluation.evaluate import chunks
from alerts.evaluation.findings import Said, ask
from alerts.evaluation.thresholds import SettingsBook, load_settings
from alerts.facts import Facts, load_fleet_facts, load_site_facts
from alerts.rules import RULES, AnyRule
from backups.models import Instance


@dataclass(slots=True)
class RulePreview:
    """What one rule would say, whether it is on or not."""

    rule: AnyRule
    # For everyone; exceptions for some of the fleet are not in it.
    enabled: bool
    said: list[Said]
    # What it threw; blank where it answers.
    broken: str = ""

    @property
    def count(self) -> int:
        return len(self.said)


def preview_rules(
    now: datetime, *, names: Sequence[str] = (), instance_ids: Sequence[int] | None = None
) -> list[RulePreview]:
    """Ask some rules, by default all, about some instances, by default all and the site."""
    book = load_settings()
    rules = [rule for rule in RULES.values() if not names or rule.name in names]
    found = {rule.name: RulePreview(rule, book.enabled(rule), []) for rule in rules}
    everywhere = instance_ids is None
    ids = Instance.objects.order_by("id").values_list("id", flat=True)
    for part in chunks(list(ids) if instance_ids is None else instance_ids):
        _add(found, load_fleet_facts(part, now), rules, book)
    if everywhere:
        _add(found, load_site_facts(now), rules, book)
    return list(found.values())


def _add(
    found: dict[str, RulePreview],
    facts: Sequence[Facts],
    rules: Sequence[AnyRule],
    book: SettingsBook,
) -> None:
    answers = ask(facts, book, rules=rules, disabled_too=True)
    for said in answers.said.values():
        found[said.rule.name].said.append(said)
    for name, words in answers.broken.items():
        found[name].broken = words
