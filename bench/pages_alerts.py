"""What a large fleet has of alerts: those the rules find, months of past ones, who is notified.

The fleet of bench/pages_fill.py is what the rules judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from alerts.delivery.channels import configure
from alerts.evaluation.evaluate import evaluate_all
from alerts.models import Alert, AlertTransition, Channel, Route, Silence
from alerts.states import AlertStatus, Severity
from backups.models import InstanceGroup

PAST = 20_000
CHANNELS, SILENCES = 20, 20


def fill_alerts(now: datetime) -> Alert:
    """Judge the fleet and add the rest; return an alert that stands."""
    evaluate_all(now)
    standing = list(Alert.objects.order_by("id"))
    Alert.objects.bulk_create(_past(standing, now), batch_size=1000)
    over = Alert.objects.filter(status=AlertStatus.RESOLVED)
    AlertTransition.objects.bulk_create(
        (
            AlertTransition(
                alert=alert, created_at=alert.opened_at, routed_at=alert.opened_at,
                old_status=AlertStatus.FIRING, new_status=alert.status, severity=alert.severity,
            )
            for alert in over
        ),
        batch_size=1000,
    )  # fmt: skip
    _tell_and_silence(now)
    return standing[0]


def _past(standing: list[Alert], now: datetime) -> Iterator[Alert]:
    for number in range(PAST):
        alert, at = standing[number % len(standing)], now - timedelta(minutes=20 * number)
        yield Alert(
            rule=alert.rule, subject=alert.subject, subject_name=alert.subject_name,
            instance_id=alert.instance_id, schedule_id=alert.schedule_id, cause=alert.cause,
            severity=alert.severity, status=AlertStatus.RESOLVED, message=alert.message,
            explanation=alert.explanation, hint=alert.hint, facts=alert.facts,
            opened_at=at, fires_at=at, fired_at=at, last_found_at=at, resolved_at=at,
        )  # fmt: skip


def _tell_and_silence(now: datetime) -> None:
    groups = list(InstanceGroup.objects.order_by("id"))
    for number in range(CHANNELS):
        channel = Channel(name=f"hook-{number}", kind="webhook")
        configure(channel, {"url": f"http://127.0.0.1:9/{number}", "secret": "of the benchmark"})
        channel.save()
        route = Route.objects.create(channel=channel, min_severity=Severity.WARNING)
        route.groups.add(groups[number % len(groups)])
    for number in range(SILENCES):
        silence = Silence.objects.create(comment=f"patching {number}", starts_at=now)
        # Somebody still hears of the other half.
        silence.groups.add(groups[number % len(groups) // 2])
