"""The rows of the messenger."""

from __future__ import annotations

from alerts.models.alert import Alert, AlertTransition, Silence
from alerts.models.delivery import Channel, MessageKind, Notification, Route, Telling
from alerts.models.evaluation import EvaluationCursor
from alerts.models.rule import RuleSetting

__all__ = [
    "Alert",
    "AlertTransition",
    "Channel",
    "EvaluationCursor",
    "MessageKind",
    "Notification",
    "Route",
    "RuleSetting",
    "Silence",
    "Telling",
]
