"""Show what each rule would find now. A dry run: nothing is written, nothing is sent."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now
from rich.console import RenderableType

from alerts.evaluation.findings import RuleResult
from alerts.evaluation.preview import RulePreview, preview_rules
from alerts.rules import RULES
from backups.management.output import DONE, FAILED, Answer, MooringCommand, table
from backups.management.rows import named_instance


class Command(MooringCommand):
    help = "Show what each rule would find now. A dry run: nothing is written, nothing is sent."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--rule", choices=list(RULES), help="Only this rule.")
        parser.add_argument("--instance", help="Only for this instance.")

    def answer(self, options: dict[str, Any]) -> Answer:
        ids = [named_instance(options["instance"]).pk] if options["instance"] else None
        names = [options["rule"]] if options["rule"] else []
        previews = preview_rules(now(), names=names, instance_ids=ids)
        results = [result for preview in previews for result in preview.results]
        shown: list[RenderableType] = [
            table(("rule", "", "findings", "title"), map(_rule_row, previews), right="findings")
        ]
        if results:
            columns = ("severity", "rule", "subject", "message")
            shown += ["", table(columns, map(_finding_row, results))]
        broken = any(preview.broken for preview in previews)
        fields = {"rules": [_fields(preview) for preview in previews]}
        return Answer(fields, shown, FAILED if broken else DONE)


def _rule_row(preview: RulePreview) -> tuple[str, ...]:
    state = "broken" if preview.broken else "on" if preview.enabled else "off"
    return (preview.rule.name, state, str(preview.count), preview.broken or preview.rule.title)


def _finding_row(result: RuleResult) -> tuple[str, ...]:
    severity = result.severity.label.lower()
    return (severity, result.rule.name, result.subject.name, result.finding.message)


def _fields(preview: RulePreview) -> dict[str, object]:
    return {
        "rule": preview.rule.name,
        "title": preview.rule.title,
        "enabled": preview.enabled,
        "broken": preview.broken,
        "findings": [
            {
                "subject": result.subject.key,
                "subject_name": result.subject.name,
                "severity": result.severity.label.lower(),
                "message": result.finding.message,
                "hint": result.finding.hint or result.rule.hint,
            }
            for result in preview.results
        ],
    }
