"""Alerts, channels and routes for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from alerts.delivery.channels import configure
from alerts.models import Alert, AlertTransition, Channel, Route
from alerts.states import AlertStatus, Severity
from backups.models import Instance

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
SECRET = "a signing secret of tests"


def make_alert(
    name: str = "orders-1",
    *,
    status: AlertStatus = AlertStatus.FIRING,
    severity: Severity = Severity.CRITICAL,
    rule: str = "job_failed",
    cause: str = "",
    message: str = "the backup failed",
    at: datetime = T0,
) -> Alert:
    """Create an alert about an instance, with a change that nobody was notified of."""
    instance, _ = Instance.objects.get_or_create(name=name)
    subject = f"instance:{instance.pk}"
    over = status == AlertStatus.RESOLVED
    alert = Alert.objects.create(
        rule=rule,
        subject=subject,
        subject_name=name,
        open_key=None if over else f"{rule}|{subject}",
        instance=instance,
        cause=cause or subject,
        severity=severity,
        status=status,
        status_since=at,
        message=message,
        hint="Read the job's log.",
        opened_at=at,
        fires_at=at,
        fired_at=at,
        last_found_at=at,
        resolved_at=at if over else None,
    )
    change(alert, status, at)
    return alert


def change(alert: Alert, to: AlertStatus, at: datetime = T0) -> None:
    """Put an alert into a status and note the change, as an evaluation would."""
    old, alert.status = alert.status, to
    if old != to:
        alert.status_since = at
    if to == AlertStatus.RESOLVED:
        alert.open_key, alert.resolved_at = None, at
    alert.save()
    AlertTransition.objects.create(
        alert=alert, created_at=at, old_status=old, new_status=to, severity=alert.severity
    )


def make_webhook(url: str = "http://127.0.0.1:9/", name: str = "hook", **values: str) -> Channel:
    channel = Channel(name=name, kind="webhook")
    configure(channel, {"url": url, "secret": SECRET, **values})
    channel.save()
    return channel


# Any: columns of several types.
def make_route(channel: Channel, **columns: Any) -> Route:
    return Route.objects.create(
        channel=channel, **{"min_severity": Severity.WARNING, "remind_every": None, **columns}
    )


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def hours(count: float) -> timedelta:
    return timedelta(hours=count)
