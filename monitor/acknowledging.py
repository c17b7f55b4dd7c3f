"""Acknowledge one or many alerts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth.models import User

from alerts.evaluation.transitions import acknowledge
from alerts.models import Alert
from alerts.states import AlertStatus


def acknowledge_all(
    alerts: Iterable[Alert], *, by: User, comment: str, now: datetime
) -> list[Alert]:
    """Return the alerts that were acknowledged, without those already resolved or acknowledged."""
    firing = [alert for alert in alerts if alert.status == AlertStatus.FIRING]
    return [alert for alert in firing if acknowledge(alert, by=by, comment=comment, now=now)]
