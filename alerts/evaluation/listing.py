"""Which alerts are there? Open ones first, by severity and age, with what a list shows of each."""

from __future__ import annotations

from django.db.models import F, QuerySet

from alerts.models import Alert
from alerts.routing.silences import with_traits
from alerts.states import OPEN_ALERT_STATUSES
from backups.models import Instance


def list_alerts(
    *, instance: Instance | None = None, rule: str = "", resolved_too: bool = False
) -> QuerySet[Alert]:
    """Return open alerts, the most severe and the oldest first; resolved ones come last."""
    alerts = with_traits(Alert.objects.select_related("schedule", "acknowledged_by"))
    if not resolved_too:
        alerts = alerts.filter(status__in=OPEN_ALERT_STATUSES)
    if instance is not None:
        alerts = alerts.filter(instance=instance)
    if rule:
        alerts = alerts.filter(rule=rule)
    # Null is open; what was resolved comes after it, the newest first.
    return alerts.order_by(F("resolved_at").desc(nulls_first=True), "-severity", "opened_at", "id")
