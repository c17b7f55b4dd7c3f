"""What do the rules find in these facts? Every rule is checked; nothing is written.

A rule that raises does not stop the others: its error is kept beside their results.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from alerts.evaluation.thresholds import SettingsBook
from alerts.facts import Facts, Subject
from alerts.rules import RULE_BROKEN, RULES, AnyRule, Finding
from alerts.states import Severity

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RuleResult:
    """A rule found something wrong with a subject."""

    rule: AnyRule
    subject: Subject
    finding: Finding
    severity: Severity
    pending_for: timedelta

    @property
    def key(self) -> tuple[str, str]:
        return self.rule.name, self.subject.key


@dataclass(slots=True)
class RuleResults:
    """What all rules found in some facts."""

    by_key: dict[tuple[str, str], RuleResult] = field(default_factory=dict)
    # Rules that raised, with the error: none of their alerts may be resolved.
    broken: dict[str, str] = field(default_factory=dict)


def check_rules(
    facts: Iterable[Facts],
    book: SettingsBook,
    *,
    rules: Sequence[AnyRule] | None = None,
    include_disabled: bool = False,
) -> RuleResults:
    """Check ``rules``, by default all; ``include_disabled`` checks disabled ones as well."""
    results = RuleResults()
    facts_by_type = _group_by_type(facts)
    for rule in RULES.values() if rules is None else rules:
        for subject_facts in facts_by_type.get(rule.about, ()):
            subject = subject_facts.subject
            settings = book.settings_of(rule, subject)
            if not (settings.enabled or include_disabled):
                continue
            try:
                finding = rule.check(subject_facts, settings.limits)
            except Exception as exc:
                if rule.name not in results.broken:
                    logger.exception(
                        "rule %s failed on %s", rule.name, subject.key,
                        extra={"action": "rule_failed", "rule": rule.name},
                    )  # fmt: skip
                    results.broken[rule.name] = _error_text(exc, subject)
                continue
            if finding is not None:
                severity = settings.severity or finding.severity or rule.severity
                result = RuleResult(rule, subject, finding, severity, settings.pending_for)
                results.by_key[result.key] = result
    return results


def result_of_broken_rule(name: str, error: str) -> RuleResult:
    """Return the failure of a rule as a finding about the rule itself."""
    title = RULES[name].title if name in RULES else name
    finding = Finding(message=f"{name} raised {error}", facts={"rule": name})
    subject = Subject(f"rule:{name}", f"rule {title}")
    return RuleResult(RULE_BROKEN, subject, finding, RULE_BROKEN.severity, RULE_BROKEN.pending_for)


def _group_by_type(facts: Iterable[Facts]) -> Mapping[type[Facts], list[Facts]]:
    groups: defaultdict[type[Facts], list[Facts]] = defaultdict(list)
    for subject_facts in facts:
        groups[type(subject_facts)].append(subject_facts)
    return groups


def _error_text(exc: Exception, subject: Subject) -> str:
    return f"{type(exc).__name__} on {subject.name}: {exc}"[:400]
