"""The rows of alerts: alerts, rule settings, silences, channels, routes, notifications."""

from __future__ import annotations

from alerts.models.alert import Alert, AlertTransition, Silence
from alerts.models.delivery import Channel, Notification, NotificationState, Route
from alerts.models.evaluation import EvaluationCursor
from alerts.models.rule import RuleSetting

__all__ = [
    "Alert",
    "AlertTransition",
    "Channel",
    "EvaluationCursor",
    "Notification",
    "NotificationState",
    "Route",
    "RuleSetting",
    "Silence",
]
