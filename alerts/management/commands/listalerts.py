"""List open alerts, the most severe first."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import localtime, now

from alerts.evaluation.listing import list_alerts
from alerts.models import Alert
from alerts.routing.silences import Matcher, load_silences, silence_of
from alerts.rules import RULES
from backups.management.output import Answer, MooringCommand, table
from backups.management.rows import named_instance
from backups.models import Instance

NO_INSTANCE = "no alerts: there is no instance yet, add one with ./mooring manage addinstance"


class Command(MooringCommand):
    help = "List open alerts, the most severe first."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--instance", help="Only alerts of this instance.")
        parser.add_argument("--rule", choices=list(RULES), help="Only alerts of this rule.")
        parser.add_argument("--all", action="store_true", help="Include resolved alerts.")

    def answer(self, options: dict[str, Any]) -> Answer:
        name = options["instance"]
        instance = named_instance(name) if name else None
        alerts = list(
            list_alerts(
                instance=instance, rule=options["rule"] or "", include_resolved=options["all"]
            )
        )
        at = now()
        silences = load_silences(at)
        silenced = {alert.pk: silence_of(alert, silences, at) for alert in alerts}
        if not alerts:
            empty = "no alerts" if Instance.objects.exists() else NO_INSTANCE
            return Answer({"alerts": []}, [empty])
        rows = [_row(alert, silenced[alert.pk]) for alert in alerts]
        return Answer(
            {"alerts": [_fields(alert, silenced[alert.pk]) for alert in alerts]},
            [table(("id", "severity", "status", "since", "rule", "subject", "message"), rows)],
        )


def _row(alert: Alert, silence: Matcher | None) -> tuple[str, ...]:
    return (
        str(alert.pk),
        alert.get_severity_display().lower(),
        f"{alert.status}, silenced" if silence else alert.status,
        f"{localtime(alert.opened_at):%Y-%m-%d %H:%M}",
        RULES[alert.rule].title if alert.rule in RULES else alert.rule,
        alert.subject_name,
        alert.message,
    )


def _fields(alert: Alert, silence: Matcher | None) -> dict[str, object]:
    return {
        "id": alert.pk,
        "rule": alert.rule,
        "subject": alert.subject,
        "subject_name": alert.subject_name,
        "severity": alert.get_severity_display().lower(),
        "status": alert.status,
        "silenced_by": silence.comment if silence else None,
        "message": alert.message,
        "hint": alert.hint,
        "opened_at": alert.opened_at,
        "acknowledged_at": alert.acknowledged_at,
        "comment": alert.comment,
        "resolved_at": alert.resolved_at,
    }
