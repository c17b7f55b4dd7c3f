from __future__ import annotations

import pytest

from alerts.delivery.channels.text import build_html, build_text
from alerts.delivery.content import build_content
from alerts.models import MessageKind, Notification
from alerts.states import AlertStatus
from tests.alerts.rows import T0, make_alert
from tests.markup import one_line

pytestmark = pytest.mark.django_db

WAITING = [MessageKind.FIRING, MessageKind.REMINDER, MessageKind.WORSE, MessageKind.DIGEST]
BEGINNINGS = {
    0: ["Critical: ", "Still critical: ", "Now critical: ", "Digest: 2 alerts, the worst critical"],
    1: [
        "Critical, 1 over again: ",
        "Still critical, 1 over again: ",
        "Now critical, 1 over again: ",
        "Digest: 2 alerts, the worst critical, 1 over again",
    ],
    2: [
        "Critical, over again: ",
        "Was critical, over again: ",
        "Was critical, over again: ",
        "Digest: 2 alerts, the worst critical, over again",
    ],
}


@pytest.mark.parametrize("ended", BEGINNINGS)
def test_a_title_says_how_many_ended_while_the_message_waited(ended: int) -> None:
    alerts = [
        make_alert(f"orders-{n}", status=AlertStatus.RESOLVED if n < ended else AlertStatus.FIRING)
        for n in range(2)
    ]
    rest = "2 alerts: job failed: orders-0, orders-1"
    for kind, beginning in zip(WAITING, BEGINNINGS[ended], strict=True):
        title = build_content(Notification(kind=kind), alerts, now=T0)["title"]
        assert title == beginning + (rest if kind != MessageKind.DIGEST else "")


def test_the_body_says_which_one_is_over() -> None:
    alerts = [make_alert("orders-0", status=AlertStatus.RESOLVED), make_alert("orders-1")]
    content = build_content(Notification(kind=MessageKind.FIRING), alerts, now=T0)
    for text in (build_text(content), build_html(content)):
        over, _, stands = one_line(text).rpartition("orders-1")
        assert f"Resolved, since {T0.isoformat()}, resolved at {T0.isoformat()}" in over
        assert "resolved at" not in stands
