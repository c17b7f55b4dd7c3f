"""The only module that writes the status of a notification. Every write can lose a race."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F

from alerts.models import Notification
from alerts.states import NOTIFICATION_MOVES, NotificationStatus
from backups.exceptions import IllegalTransition


def lease_end(now: datetime) -> datetime:
    """Return when the lease of a sender expires."""
    return now + timedelta(seconds=settings.MESSAGE_LEASE_SECONDS)


def claim(notification: Notification, *, now: datetime) -> bool:
    """Claim it for as long as the lease lasts; False if another sender has it."""
    if notification.status == NotificationStatus.SENDING:
        # The lease of its sender expired. It may have been delivered: at least once.
        if not _move(notification, NotificationStatus.PENDING, now, next_attempt_at=now):
            return False
        notification.refresh_from_db()
    return _move(
        notification,
        NotificationStatus.SENDING,
        now,
        attempts=F("attempts") + 1,
        next_attempt_at=lease_end(now),
    )


def mark_delivered(notification: Notification, *, response: str, now: datetime) -> bool:
    """Record that the receiver accepted it."""
    return _move(
        notification,
        NotificationStatus.DELIVERED,
        now,
        response=response,
        delivered_at=now,
        next_attempt_at=None,
    )


def reschedule(
    notification: Notification, *, response: str, retry_at: datetime, now: datetime
) -> bool:
    """Record that this attempt failed, and when the next one is due."""
    return _move(
        notification, NotificationStatus.PENDING, now, response=response, next_attempt_at=retry_at
    )


def mark_failed(notification: Notification, *, response: str, now: datetime) -> bool:
    """Record that it will not be delivered."""
    return _move(
        notification, NotificationStatus.FAILED, now, response=response, next_attempt_at=None
    )


# object: columns of several types.
def _move(
    notification: Notification, to: NotificationStatus, now: datetime, **values: object
) -> bool:
    old = NotificationStatus(notification.status)
    if to not in NOTIFICATION_MOVES[old]:
        raise IllegalTransition(f"{notification} cannot move from {old} to {to}")
    mine = Notification.objects.filter(
        pk=notification.pk, status=old, fencing_token=notification.fencing_token
    )
    won = mine.update(status=to, status_since=now, fencing_token=F("fencing_token") + 1, **values)
    if won:
        notification.refresh_from_db()
    return bool(won)
