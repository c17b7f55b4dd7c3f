"""Acknowledge an alert: it stays open, and reminders stop."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from alerts.evaluation.transitions import acknowledge
from alerts.models import Alert
from alerts.states import AlertStatus
from backups.activity import current_actor, record
from backups.exceptions import BadInput, Refused
from backups.management.output import Answer, MooringCommand
from backups.models.activity import Verb


class Command(MooringCommand):
    help = "Acknowledge an alert: it stays open, and reminders stop."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("id", type=int, help="The id, as shown by listalerts.")
        parser.add_argument("--comment", default="", help="A comment, stored with the alert.")

    def answer(self, options: dict[str, Any]) -> Answer:
        alert = Alert.objects.filter(pk=options["id"]).first()
        if alert is None:
            raise BadInput(f"no alert has the id {options['id']}", hint="listalerts shows the ids.")
        _refuse_not_firing(alert)
        comment, actor = options["comment"], current_actor()
        if not acknowledge(alert, by=None, comment=comment, now=now(), actor=actor.name):
            raise Refused(
                f"alert {alert.pk} was changed concurrently", hint="Run the command again."
            )
        record(Verb.ACKNOWLEDGED, alert, details={"comment": comment})
        fields = {"id": alert.pk, "status": alert.status, "comment": alert.comment}
        return Answer(fields, [f"acknowledged: {alert}"])


def _refuse_not_firing(alert: Alert) -> None:
    if alert.status == AlertStatus.ACKNOWLEDGED:
        raise Refused(f"alert {alert.pk} is already acknowledged: {alert.comment or 'no comment'}")
    if alert.status != AlertStatus.FIRING:
        raise Refused(f"alert {alert.pk} is {alert.status}: only firing alerts can be acknowledged")
