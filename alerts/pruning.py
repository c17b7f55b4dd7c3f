"""Which records of the past go: alerts that are over, and messages that were sent or given up?"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from alerts.models import Alert, Notification
from alerts.states import NOTIFICATION_MOVES, AlertStatus

# In one tick, so that no transaction is long; the next one goes on.
AT_ONCE = 5_000
_OVER = [status for status, moves in NOTIFICATION_MOVES.items() if not moves]


def prune_alerts(now: datetime) -> int:
    """Delete some of what is too old; return how many alerts and messages went."""
    before = now - timedelta(days=settings.HISTORY_DAYS)
    alerts = Alert.objects.filter(status=AlertStatus.RESOLVED, resolved_at__lt=before)
    messages = Notification.objects.filter(status__in=_OVER, created_at__lt=before)
    gone = 0
    for rows in (messages, alerts):
        ids = list(rows.order_by("id").values_list("pk", flat=True)[:AT_ONCE])
        rows.model._default_manager.filter(pk__in=ids).delete()
        gone += len(ids)
    return gone
