"""Every status of an alert and of a notification, and the only moves allowed between them.

Plain data: no queries, no clock. ``alerts.evaluation.transitions`` is the only module that writes
the status of an alert, ``alerts.delivery.transitions`` the only one for a notification.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models


class Severity(models.IntegerChoices):
    """How serious it is. Ordered: a higher number is more severe."""

    NOTICE = 10, "Notice"  # for information
    WARNING = 20, "Warning"  # look into it today
    CRITICAL = 30, "Critical"  # a backup is at risk: act now
    EMERGENCY = 40, "Emergency"  # a backup is missing: page somebody


class AlertStatus(models.TextChoices):
    PENDING = "pending", "Pending"  # found, but not yet for the rule's pending time
    FIRING = "firing", "Firing"  # open, and not acknowledged
    ACKNOWLEDGED = "acknowledged", "Acknowledged"  # open, and acknowledged by a person
    RESOLVED = "resolved", "Resolved"  # no longer found


ALERT_MOVES: Mapping[AlertStatus, frozenset[AlertStatus]] = {
    AlertStatus.PENDING: frozenset({AlertStatus.FIRING, AlertStatus.RESOLVED}),
    AlertStatus.FIRING: frozenset({AlertStatus.ACKNOWLEDGED, AlertStatus.RESOLVED}),
    AlertStatus.ACKNOWLEDGED: frozenset({AlertStatus.FIRING, AlertStatus.RESOLVED}),
    AlertStatus.RESOLVED: frozenset(),
}


class NotificationKind(models.TextChoices):
    """Why a notification is sent."""

    FIRING = "firing", "Alert"
    ESCALATION = "escalation", "Escalation"
    REMINDER = "reminder", "Reminder"
    RECOVERY = "recovery", "Recovery"
    DIGEST = "digest", "Digest"
    SUCCESS = "success", "Success"
    CHANNEL_FAULT = "channel_fault", "Channel fault"
    TEST = "test", "Test"
    EVIDENCE = "evidence", "Evidence"


class NotificationStatus(models.TextChoices):
    PENDING = "pending", "Pending"  # waits for its time, or for a sender
    SENDING = "sending", "Sending"  # a sender holds its lease
    DELIVERED = "delivered", "Delivered"  # accepted by the receiver
    FAILED = "failed", "Failed"  # refused, or out of attempts
    DROPPED = "dropped", "Dropped"  # no longer worth sending; see the response


NOTIFICATION_MOVES: Mapping[NotificationStatus, frozenset[NotificationStatus]] = {
    NotificationStatus.PENDING: frozenset({NotificationStatus.SENDING, NotificationStatus.DROPPED}),
    NotificationStatus.SENDING: frozenset(
        {
            NotificationStatus.PENDING,
            NotificationStatus.DELIVERED,
            NotificationStatus.FAILED,
            NotificationStatus.DROPPED,
        }
    ),
    NotificationStatus.DELIVERED: frozenset(),
    NotificationStatus.FAILED: frozenset(),
    NotificationStatus.DROPPED: frozenset(),
}

OPEN_ALERT_STATUSES = frozenset(AlertStatus) - {AlertStatus.RESOLVED}
