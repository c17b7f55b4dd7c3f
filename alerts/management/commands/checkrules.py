"""Show what each rule would say now. Nothing is written, and nobody is told."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now
from rich.console import RenderableType

from alerts.evaluation.findings import Said
from alerts.evaluation.preview import RulePreview, preview_rules
from alerts.rules import RULES
from backups.management.output import DONE, FAILED, Answer, MooringCommand, table
from backups.management.rows import named_instance


class Command(MooringCommand):
    help = "Show what each rule would say now. Nothing is written, and nobody is told."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--rule", choices=list(RULES), help="Only this rule.")
        parser.add_argument("--instance", help="Only about this instance.")

    def answer(self, options: dict[str, Any]) -> Answer:
        ids = [named_instance(options["instance"]).pk] if options["instance"] else None
        names = [options["rule"]] if options["rule"] else []
        previews = preview_rules(now(), names=names, instance_ids=ids)
        findings = [said for preview in previews for said in preview.said]
        shown: list[RenderableType] = [
            table(("rule", "", "finds", "what"), map(_rule_row, previews), right="finds")
        ]
        if findings:
            columns = ("severity", "rule", "about", "message")
            shown += ["", table(columns, map(_finding_row, findings))]
        broken = any(preview.broken for preview in previews)
        fields = {"rules": [_fields(preview) for preview in previews]}
        return Answer(fields, shown, FAILED if broken else DONE)


def _rule_row(preview: RulePreview) -> tuple[str, ...]:
    standing = "broken" if preview.broken else "on" if preview.enabled else "off"
    return (preview.rule.name, standing, str(preview.count), preview.broken or preview.rule.title)


def _finding_row(said: Said) -> tuple[str, ...]:
    severity = said.severity.label.lower()
    return (severity, said.rule.name, said.subject.name, said.finding.message)


def _fields(preview: RulePreview) -> dict[str, object]:
    return {
        "rule": preview.rule.name,
        "title": preview.rule.title,
        "enabled": preview.enabled,
        "broken": preview.broken,
        "findings": [
            {
                "subject": said.subject.key,
                "about": said.subject.name,
                "severity": said.severity.label.lower(),
                "message": said.finding.message,
                "hint": said.finding.hint or said.rule.hint,
            }
            for said in preview.said
        ],
    }
