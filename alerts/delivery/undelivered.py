"""What happens to the alerts of a notification that is not delivered?

They do not count as notified: other channels are notified in its place, and the channel itself is
tried again later with a new notification, of the state at that time.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.timezone import now as wall_clock

from alerts.delivery.content import build_content
from alerts.models import Alert, Channel, Notification, NotificationState
from alerts.states import AlertStatus, NotificationKind

# After this long, a channel is notified of these alerts again.
NEXT_NOTIFICATION = timedelta(hours=1)


def record_undelivered(notification: Notification, reason: str, *, now: datetime) -> None:
    """Take the alerts of a failed notification as not notified, and send them another way."""
    if notification.kind == NotificationKind.CHANNEL_FAULT:
        return
    alerts = notification.alerts.values_list("pk", flat=True)
    states = NotificationState.objects.filter(
        channel=notification.channel_id, alert__in=list(alerts)
    )
    with transaction.atomic():
        states.update(delivery_failed=True)
        again = now + NEXT_NOTIFICATION
        states.filter(alert__status=AlertStatus.FIRING).update(remind_at=again)
        if notification.kind == NotificationKind.RECOVERY:
            resolved = states.filter(alert__status=AlertStatus.RESOLVED)
            resolved.update(recovery_sent=False, remind_at=again)
        for other in Channel.objects.filter(enabled=True).exclude(pk=notification.channel_id):
            _forward(notification, other, reason, now)


def _forward(notification: Notification, other: Channel, reason: str, now: datetime) -> None:
    """Notify another channel, unless it knows of all these alerts by itself."""
    known = NotificationState.objects.filter(channel=other, delivery_failed=False)
    unknown = notification.alerts.exclude(pk__in=known.values("alert_id"))
    if not unknown.exists():
        return
    title = notification.content.get("title", "a notification")
    text = f"Not delivered on channel {notification.channel}: {title}\n{reason}"
    key = f"undelivered-{notification.pk}"
    queue_report(other, key, text, now=now, alerts=unknown)


def queue_report(
    other: Channel, key: str, text: str, *, now: datetime, alerts: QuerySet[Alert] | None = None
) -> None:
    """Notify another channel that one does not deliver, once for each ``key``."""
    # One transaction: a sender must not claim it before it has content.
    with transaction.atomic():
        report, created = Notification.objects.get_or_create(
            dedupe_key=f"{key}-{other.pk}",
            defaults={
                "channel": other,
                "kind": NotificationKind.CHANNEL_FAULT,
                "created_at": now,
                "next_attempt_at": now,
            },
        )
        if created:
            report.alerts.set(alerts or ())
            write_content(report, text=text)


def write_content(notification: Notification, *, text: str = "") -> None:
    """Build what is sent, from the state of the alerts now."""
    alerts = notification.alerts.select_related("instance", "schedule", "repository", "job")
    content = build_content(
        notification, list(alerts.order_by("-severity", "pk")), now=wall_clock(), text=text
    )
    mine = Notification.objects.filter(pk=notification.pk, fencing_token=notification.fencing_token)
    mine.update(content=content)
    notification.content = dict(content)
