"""What does a message say? Its JSON, which docs/webhooks.md documents and every channel uses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings

from alerts.delivery.channels.base import Content
from alerts.models import Alert, MessageKind, Notification
from alerts.states import AlertStatus, Severity

# Raised when a field changes its meaning or goes; new fields do not raise it.
VERSION = 1
# More alerts of one message are counted, not listed.
LISTED = 100


def build_content(
    notification: Notification, alerts: Sequence[Alert], *, now: datetime, words: str = ""
) -> Content:
    """Return the content of a message about ``alerts``, or one that just says ``words``."""
    worst = max((alert.severity for alert in alerts), default=int(Severity.NOTICE))
    kind = MessageKind(notification.kind)
    return {
        "version": VERSION,
        "id": notification.dedupe_key,
        "kind": kind.value,
        "made_at": now.isoformat(),
        "severity": Severity(worst).label.lower(),
        "title": words.splitlines()[0] if words else _title(kind, alerts, Severity(worst)),
        "text": words,
        "count": len(alerts),
        "url": f"{settings.SITE_URL}/alerts/",
        "alerts": [describe(alert) for alert in alerts[:LISTED]],
    }


def describe(alert: Alert) -> dict[str, Any]:
    """Return what a message tells of one alert. Any: JSON."""
    return {
        "id": alert.pk,
        "rule": alert.rule,
        "subject": alert.subject,
        "subject_name": alert.subject_name,
        "cause": alert.cause,
        "status": alert.status,
        "severity": Severity(alert.severity).label.lower(),
        "message": alert.message,
        "explanation": alert.explanation,
        "hint": alert.hint,
        "instance": alert.instance.name if alert.instance else None,
        "schedule": alert.schedule.name if alert.schedule else None,
        "repository": alert.repository.name if alert.repository else None,
        "job": alert.job_id,
        "facts": alert.facts,
        "fired_at": _moment(alert.fired_at),
        "resolved_at": _moment(alert.resolved_at),
        "comment": alert.comment,
        "url": f"{settings.SITE_URL}/alerts/{alert.pk}/",
        "job_url": f"{settings.SITE_URL}/jobs/{alert.job_id}/" if alert.job_id else None,
    }


def _title(kind: MessageKind, alerts: Sequence[Alert], worst: Severity) -> str:
    first = f"{alerts[0].subject_name}: {alerts[0].message}" if alerts else "nothing"
    what = first if len(alerts) == 1 else f"{len(alerts)} alerts: {_common(alerts)}"
    # Some may have ended while the message waited for the end of quiet hours.
    ended = sum(alert.status == AlertStatus.RESOLVED for alert in alerts)
    all_over = 0 < ended == len(alerts)
    over = f", {'' if all_over else f'{ended} '}over again" if ended else ""
    match kind:
        case MessageKind.RECOVERY:
            return f"Resolved: {what}"
        case MessageKind.REMINDER:
            return f"{'Was' if all_over else 'Still'} {worst.label.lower()}{over}: {what}"
        case MessageKind.WORSE:
            return f"{'Was' if all_over else 'Now'} {worst.label.lower()}{over}: {what}"
        case MessageKind.DIGEST:
            return f"Digest: {len(alerts)} alerts, the worst {worst.label.lower()}{over}"
        case MessageKind.SUCCESS:
            return what
        case _:
            return f"{worst.label}{over}: {what}"


def _common(alerts: Sequence[Alert]) -> str:
    """Say what alerts of one message have in common."""
    cause, rules = alerts[0].cause, {alert.rule.replace("_", " ") for alert in alerts}
    names = ", ".join(sorted(alert.subject_name for alert in alerts)[:3])
    more = f" and {len(alerts) - 3} more" if len(alerts) > 3 else ""
    what = rules.pop() if len(rules) == 1 else "several rules"
    shared = alerts[0].repository if cause.startswith("repository:") else None
    return f"{what}{f' at repository {shared}' if shared else ''}: {names}{more}"


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
