"""Which history is deleted: resolved alerts, and notifications that were delivered or failed?"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from alerts.models import Alert, Notification
from alerts.states import NOTIFICATION_MOVES, AlertStatus

# Per run, to keep transactions short; the next run continues.
BATCH_SIZE = 5_000
_FINAL = [status for status, moves in NOTIFICATION_MOVES.items() if not moves]


def prune_alerts(now: datetime) -> int:
    """Delete a batch of old rows; return how many alerts and notifications were deleted."""
    before = now - timedelta(days=settings.HISTORY_DAYS)
    alerts = Alert.objects.filter(status=AlertStatus.RESOLVED, resolved_at__lt=before)
    notifications = Notification.objects.filter(status__in=_FINAL, created_at__lt=before)
    deleted = 0
    for rows in (notifications, alerts):
        ids = list(rows.order_by("id").values_list("pk", flat=True)[:BATCH_SIZE])
        rows.model._default_manager.filter(pk__in=ids).delete()
        deleted += len(ids)
    return deleted
