"""What do the rules say of these facts? Asked of every rule; nothing is written.

A rule that throws does not stop the others: what it threw is kept beside their findings.
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
class Said:
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
class Answers:
    """What all rules said of some facts."""

    said: dict[tuple[str, str], Said] = field(default_factory=dict)
    # Rules that threw, and what: nothing of theirs may be taken to be over.
    broken: dict[str, str] = field(default_factory=dict)


def ask(
    facts: Iterable[Facts],
    book: SettingsBook,
    *,
    rules: Sequence[AnyRule] | None = None,
    disabled_too: bool = False,
) -> Answers:
    """Ask ``rules``, all of them by default; ``disabled_too`` also those that are off."""
    answers = Answers()
    by_type = _by_type(facts)
    for rule in RULES.values() if rules is None else rules:
        for each in by_type.get(rule.about, ()):
            settings = book.settings_of(rule, each.subject)
            if not (settings.enabled or disabled_too):
                continue
            try:
                finding = rule.check(each, settings.limits)
            except Exception as exc:
                if rule.name not in answers.broken:
                    logger.exception(
                        "rule %s broke on %s",
                        rule.name,
                        each.subject.key,
                        extra={"action": "rule_failed"},
                    )
                    answers.broken[rule.name] = _words(exc, each.subject)
                continue
            if finding is not None:
                severity = settings.severity or finding.severity or rule.severity
                said = Said(rule, each.subject, finding, severity, settings.pending_for)
                answers.said[said.key] = said
    return answers


def broken_rule(name: str, words: str) -> Said:
    """Say that a rule is broken, as a finding about the rule."""
    title = RULES[name].title if name in RULES else name
    finding = Finding(message=f"{name} threw {words}", facts={"rule": name})
    subject = Subject(f"rule:{name}", f"rule {title}")
    return Said(RULE_BROKEN, subject, finding, RULE_BROKEN.severity, RULE_BROKEN.pending_for)


def _by_type(facts: Iterable[Facts]) -> Mapping[type[Facts], list[Facts]]:
    found: defaultdict[type[Facts], list[Facts]] = defaultdict(list)
    for each in facts:
        found[type(each)].append(each)
    return found


def _words(exc: Exception, subject: Subject) -> str:
    return f"{type(exc).__name__} about {subject.name}: {exc}"[:400]
