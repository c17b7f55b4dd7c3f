from __future__ import annotations

import pytest

from alerts.delivery.channels.text import build_html, build_text
from alerts.delivery.content import build_content
from alerts.models import Notification
from alerts.states import AlertStatus, NotificationKind
from tests.alerts.rows import T0, make_alert
from tests.markup import one_line

pytestmark = pytest.mark.django_db

DEFERRED_KINDS = [
    NotificationKind.FIRING,
    NotificationKind.REMINDER,
    NotificationKind.ESCALATION,
    NotificationKind.DIGEST,
]
TITLES = {
    0: [
        "Critical: ",
        "Still critical: ",
        "Now critical: ",
        "Digest: 2 alerts, highest severity critical",
    ],
    1: [
        "Critical (1 resolved since): ",
        "Still critical (1 resolved since): ",
        "Now critical (1 resolved since): ",
        "Digest: 2 alerts, highest severity critical (1 resolved since)",
    ],
    2: [
        "Critical (resolved since): ",
        "Was critical (resolved since): ",
        "Was critical (resolved since): ",
        "Digest: 2 alerts, highest severity critical (resolved since)",
    ],
}


@pytest.mark.parametrize("ended", TITLES)
def test_a_title_says_how_many_were_resolved_while_the_notification_was_deferred(
    ended: int,
) -> None:
    alerts = [
        make_alert(f"orders-{n}", status=AlertStatus.RESOLVED if n < ended else AlertStatus.FIRING)
        for n in range(2)
    ]
    rest = "2 alerts: job failed: orders-0, orders-1"
    for kind, prefix in zip(DEFERRED_KINDS, TITLES[ended], strict=True):
        title = build_content(Notification(kind=kind), alerts, now=T0)["title"]
        assert title == prefix + (rest if kind != NotificationKind.DIGEST else "")


def test_the_body_says_which_one_is_resolved() -> None:
    alerts = [make_alert("orders-0", status=AlertStatus.RESOLVED), make_alert("orders-1")]
    content = build_content(Notification(kind=NotificationKind.FIRING), alerts, now=T0)
    for text in (build_text(content), build_html(content)):
        over, _, stands = one_line(text).rpartition("orders-1")
        assert f"Resolved, since {T0.isoformat()}, resolved at {T0.isoformat()}" in over
        assert "resolved at" not in stands
