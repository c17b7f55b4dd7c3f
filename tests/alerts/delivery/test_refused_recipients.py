"""E-mail of which some recipients refuse their copy for good, with a real mail server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.timezone import now

from alerts.delivery.channels import configure
from alerts.delivery.sending import send_due, send_test
from alerts.models import Channel, Notification, NotificationState
from alerts.routing.outbox import notify_changes
from tests.alerts.delivery.test_email import values
from tests.alerts.mailbox import Mailbox, mailbox
from tests.alerts.rows import make_alert, make_route, make_webhook

pytestmark = pytest.mark.django_db
DBA, OWNER = "dba@example.org", "owner@example.org"


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    with mailbox(tmp_path) as box:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        yield box


@pytest.fixture
def mail(box: Mailbox) -> Channel:
    mail = Channel(name="mail", kind="email")
    configure(mail, values(box))
    mail.save()
    make_route(mail)
    make_alert()
    notify_changes(now())
    return mail


def attempt(mail: Channel) -> Notification:
    """Have the next attempt made now; return the notification after it."""
    Notification.objects.filter(channel=mail, status="pending").update(next_attempt_at=now())
    send_due(mail)
    return Notification.objects.get(channel=mail)


def reports(other: Channel) -> list[str]:
    rows = Notification.objects.filter(channel=other, kind="channel_fault").order_by("pk")
    return [row.content["text"] for row in rows]


def test_the_others_get_it_once_and_other_channels_learn_who_did_not(
    mail: Channel, box: Mailbox
) -> None:
    other = make_webhook(name="other")
    box.refuse[OWNER] = "550 no such user"
    sent = attempt(mail)
    assert (sent.status, box.recipients) == ("delivered", [DBA])
    assert "refused owner@example.org (550 no such user)" in sent.response
    assert send_due(mail) == 0
    assert f"Refused for good: {OWNER} (550 no such user)" in reports(other)[0]
    # Once a day.
    make_alert("instance:2")
    notify_changes(now())
    send_due(mail)
    assert (box.recipients, len(reports(other))) == ([DBA, DBA], 1)


def test_one_for_good_and_one_for_now(mail: Channel, box: Mailbox) -> None:
    box.refuse |= {DBA: "451 come back later", OWNER: "550 no such user"}
    sent = attempt(mail)
    assert (sent.status, sent.done_recipients) == ("pending", [OWNER])
    box.refuse.pop(DBA)
    sent = attempt(mail)
    assert (sent.status, box.recipients) == ("delivered", [DBA])
    assert "refused before owner@example.org (550 no such user)" in sent.response


def test_later_for_good_is_delivered_to_who_has_it(mail: Channel, box: Mailbox) -> None:
    box.refuse[OWNER] = "451 greylisted"
    assert attempt(mail).status == "pending"
    box.refuse[OWNER] = "550 no such user"
    sent = attempt(mail)
    assert (sent.status, box.recipients) == ("delivered", [DBA])
    assert not NotificationState.objects.get(channel=mail).delivery_failed


def test_refused_by_all_is_not_delivered_whatever_the_order(mail: Channel, box: Mailbox) -> None:
    box.refuse |= {DBA: "451 come back later", OWNER: "550 no such user"}
    attempt(mail)
    box.refuse[DBA] = "550 no such user"
    sent = attempt(mail)
    assert (sent.status, sent.next_attempt_at, box.recipients) == ("failed", None, [])
    assert NotificationState.objects.get(channel=mail).delivery_failed


def test_a_test_shows_who_refused_it(mail: Channel, box: Mailbox) -> None:
    box.refuse[OWNER] = "550 no such user"
    assert "refused owner@example.org (550" in send_test(mail, requested_by="ada")
