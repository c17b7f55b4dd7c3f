"""What does a notification contain? The JSON of docs/webhooks.md, which every channel uses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings

from alerts.delivery.channels.base import Content
from alerts.models import Alert, Notification
from alerts.states import AlertStatus, NotificationKind, Severity
from backups.visible import visible

# Of the schema in docs/webhooks.md: within a version, fields are only added.
VERSION = 1
# Further alerts of a notification are counted, not listed.
MAX_LISTED = 100


def build_content(
    notification: Notification, alerts: Sequence[Alert], *, now: datetime, text: str = ""
) -> Content:
    """Return the content of a notification about ``alerts``, or one that is just ``text``."""
    worst = max((alert.severity for alert in alerts), default=int(Severity.NOTICE))
    kind = NotificationKind(notification.kind)
    return {
        "version": VERSION,
        "id": notification.dedupe_key,
        "kind": kind.value,
        "created_at": now.isoformat(),
        "severity": Severity(worst).label.lower(),
        "title": visible(text.splitlines()[0] if text else _title(kind, alerts, Severity(worst))),
        "text": visible(text),
        "alert_count": len(alerts),
        "url": f"{settings.SITE_URL}/alerts/",
        "alerts": [describe(alert) for alert in alerts[:MAX_LISTED]],
    }


def describe(alert: Alert) -> dict[str, Any]:
    """Return the fields of one alert. Any: JSON."""
    return {
        "id": alert.pk,
        "rule": alert.rule,
        "subject": alert.subject,
        "subject_name": alert.subject_name,
        "cause": alert.cause,
        "status": alert.status,
        "severity": Severity(alert.severity).label.lower(),
        "message": visible(alert.message),
        "explanation": visible(alert.explanation),
        "hint": visible(alert.hint),
        "instance": alert.instance.name if alert.instance else None,
        "schedule": alert.schedule.name if alert.schedule else None,
        "repository": alert.repository.name if alert.repository else None,
        "job_id": alert.job_id,
        "facts": alert.facts,
        "fired_at": _iso(alert.fired_at),
        "resolved_at": _iso(alert.resolved_at),
        "comment": alert.comment,
        "url": f"{settings.SITE_URL}/alerts/{alert.pk}/",
        "job_url": f"{settings.SITE_URL}/jobs/{alert.job_id}/" if alert.job_id else None,
    }


def _title(kind: NotificationKind, alerts: Sequence[Alert], worst: Severity) -> str:
    first = f"{alerts[0].subject_name}: {alerts[0].message}" if alerts else "no alerts"
    summary = first if len(alerts) == 1 else f"{len(alerts)} alerts: {_common(alerts)}"
    # Some may have been resolved while the notification was deferred by quiet hours.
    count = sum(alert.status == AlertStatus.RESOLVED for alert in alerts)
    all_resolved = 0 < count == len(alerts)
    resolved = f" ({'' if all_resolved else f'{count} '}resolved since)" if count else ""
    match kind:
        case NotificationKind.RECOVERY:
            return f"Resolved: {summary}"
        case NotificationKind.REMINDER:
            return (
                f"{'Was' if all_resolved else 'Still'} {worst.label.lower()}{resolved}: {summary}"
            )
        case NotificationKind.ESCALATION:
            return f"{'Was' if all_resolved else 'Now'} {worst.label.lower()}{resolved}: {summary}"
        case NotificationKind.DIGEST:
            return f"Digest: {len(alerts)} alerts, highest severity {worst.label.lower()}{resolved}"
        case NotificationKind.SUCCESS:
            return summary
        case _:
            return f"{worst.label}{resolved}: {summary}"


def _common(alerts: Sequence[Alert]) -> str:
    """Return what the alerts of one notification have in common."""
    cause, rules = alerts[0].cause, {alert.rule.replace("_", " ") for alert in alerts}
    names = ", ".join(sorted(alert.subject_name for alert in alerts)[:3])
    more = f" and {len(alerts) - 3} more" if len(alerts) > 3 else ""
    rule = rules.pop() if len(rules) == 1 else "several rules"
    shared = alerts[0].repository if cause.startswith("repository:") else None
    return f"{rule}{f' on repository {shared}' if shared else ''}: {names}{more}"


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
