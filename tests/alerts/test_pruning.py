from __future__ import annotations

from datetime import timedelta

import pytest

from alerts.models import Alert, Notification
from alerts.pruning import prune_alerts
from alerts.routing.outbox import notify_changes
from alerts.states import AlertStatus, NotificationStatus
from tests.alerts.rows import T0, change, make_alert, make_route, make_webhook

pytestmark = pytest.mark.django_db
AGO = timedelta(days=400)


@pytest.mark.parametrize(("seconds", "gone"), [(0, 0), (1, 2)])
def test_what_is_over_goes_after_400_days(seconds: int, gone: int) -> None:
    make_route(make_webhook())
    alert = make_alert()
    notify_changes(T0)
    change(alert, AlertStatus.RESOLVED)
    Notification.objects.update(status=NotificationStatus.DELIVERED)
    assert prune_alerts(T0 + AGO + timedelta(seconds=seconds)) == gone


def test_what_stands_or_waits_stays() -> None:
    make_route(make_webhook())
    make_alert()
    notify_changes(T0)
    assert prune_alerts(T0 + 2 * AGO) == 0
    assert (Alert.objects.count(), Notification.objects.count()) == (1, 1)
