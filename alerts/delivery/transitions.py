"""The only writer of a message's status. Every write can lose, and says so."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F

from alerts.models import Notification
from alerts.states import NOTIFICATION_MOVES, NotificationStatus
from backups.exceptions import IllegalTransition


def lease_end(now: datetime) -> datetime:
    """Return when a sender that has not come back is taken for dead."""
    return now + timedelta(seconds=settings.MESSAGE_LEASE_SECONDS)


def claim(notification: Notification, *, now: datetime) -> bool:
    """Make the caller its sender, for as long as the lease lasts; False when another one is."""
    if notification.status == NotificationStatus.SENDING:
        # Its sender is dead. Whether it was delivered nobody knows: at least once.
        if not _move(notification, NotificationStatus.PENDING, now, next_look_at=now):
            return False
        notification.refresh_from_db()
    return _move(
        notification,
        NotificationStatus.SENDING,
        now,
        attempts=F("attempts") + 1,
        next_look_at=lease_end(now),
    )


def deliver(notification: Notification, *, answer: str, now: datetime) -> bool:
    """Record that the other side has it."""
    return _move(
        notification,
        NotificationStatus.DELIVERED,
        now,
        answer=answer,
        delivered_at=now,
        next_look_at=None,
    )


def put_back(notification: Notification, *, answer: str, again_at: datetime, now: datetime) -> bool:
    """Record that this try failed, and when the next one is."""
    return _move(
        notification, NotificationStatus.PENDING, now, answer=answer, next_look_at=again_at
    )


def give_up(notification: Notification, *, answer: str, now: datetime) -> bool:
    """Record that it will not be delivered."""
    return _move(notification, NotificationStatus.FAILED, now, answer=answer, next_look_at=None)


# object: columns of several types.
def _move(
    notification: Notification, to: NotificationStatus, now: datetime, **values: object
) -> bool:
    old = NotificationStatus(notification.status)
    if to not in NOTIFICATION_MOVES[old]:
        raise IllegalTransition(f"{notification}: {old} to {to}")
    mine = Notification.objects.filter(
        pk=notification.pk, status=old, fencing_token=notification.fencing_token
    )
    won = mine.update(status=to, status_since=now, fencing_token=F("fencing_token") + 1, **values)
    if won:
        notification.refresh_from_db()
    return bool(won)
