"""Which alerts are listed? Open ones first, by severity and age, with the columns of a list."""

from __future__ import annotations

from django.db.models import F, QuerySet

from alerts.models import Alert
from alerts.routing.silences import with_traits
from alerts.states import OPEN_ALERT_STATUSES
from backups.models import Instance


def list_alerts(
    *, instance: Instance | None = None, rule: str = "", include_resolved: bool = False
) -> QuerySet[Alert]:
    """Return open alerts, the most severe and oldest first; resolved ones come last."""
    alerts = with_traits(Alert.objects.select_related("schedule", "acknowledged_by"))
    if not include_resolved:
        alerts = alerts.filter(status__in=OPEN_ALERT_STATUSES)
    if instance is not None:
        alerts = alerts.filter(instance=instance)
    if rule:
        alerts = alerts.filter(rule=rule)
    # Null is open; resolved alerts follow, the newest first.
    return alerts.order_by(F("resolved_at").desc(nulls_first=True), "-severity", "opened_at", "id")
