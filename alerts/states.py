"""Every status of an alert and of a message, and the only moves allowed between them.

Pure data: no queries, no clock. ``alerts.evaluation.transitions`` is the one module that writes the
status of an alert to the database, ``alerts.delivery.transitions`` that of a message.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models


class Severity(models.IntegerChoices):
    """How much it matters. Ordered: a greater number is worse."""

    NOTICE = 10, "Notice"  # good to know
    WARNING = 20, "Warning"  # look at it today
    CRITICAL = 30, "Critical"  # a backup is at risk: look at it now
    EMERGENCY = 40, "Emergency"  # a backup is not there: wake somebody


class AlertStatus(models.TextChoices):
    PENDING = "pending", "Pending"  # found, not yet for as long as its rule waits
    FIRING = "firing", "Firing"  # stands, and nobody has said that they have seen it
    ACKNOWLEDGED = "acknowledged", "Acknowledged"  # stands, and somebody has seen it
    RESOLVED = "resolved", "Resolved"  # is over


ALERT_MOVES: Mapping[AlertStatus, frozenset[AlertStatus]] = {
    AlertStatus.PENDING: frozenset({AlertStatus.FIRING, AlertStatus.RESOLVED}),
    AlertStatus.FIRING: frozenset({AlertStatus.ACKNOWLEDGED, AlertStatus.RESOLVED}),
    AlertStatus.ACKNOWLEDGED: frozenset({AlertStatus.FIRING, AlertStatus.RESOLVED}),
    AlertStatus.RESOLVED: frozenset(),
}


class NotificationStatus(models.TextChoices):
    PENDING = "pending", "Pending"  # waits for its moment, or for a sender
    SENDING = "sending", "Sending"  # a sender holds its lease
    DELIVERED = "delivered", "Delivered"  # the other side said that it has it
    FAILED = "failed", "Failed"  # refused for good, or tried for too long
    DROPPED = "dropped", "Dropped"  # no longer worth sending; see the answer


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
