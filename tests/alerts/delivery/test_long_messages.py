from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.telegram import NotifyTelegram
from django.utils.timezone import now
from pytest_django import Settings

from alerts.delivery.channels import configure
from alerts.delivery.channels.text import build_short_text, cut
from alerts.delivery.sending import send_due
from alerts.models import Channel, Notification, NotificationState
from alerts.routing.outbox import notify_changes
from tests.alerts.receiver import Receiver, receiving
from tests.alerts.rows import make_alert, make_route, make_webhook

DISCORD = f"discord://{'1' * 18}/{'a' * 64}"
TELEGRAM = "tgram://123456789:abcdefg_hijklmnop/12315544/"


@pytest.fixture
def receiver(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    with receiving() as receiver:
        receiver.body = b'{"ok": true}'
        monkeypatch.setattr(NotifyDiscord, "notify_url", receiver.url)
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"{receiver.url}/bot")
        for service in (NotifyDiscord, NotifyTelegram):
            monkeypatch.setattr(service, "request_rate_per_sec", 0)
        yield receiver


def chat(url: str) -> Channel:
    channel = Channel(name="chat", kind="apprise")
    configure(channel, {"url": url})
    channel.save()
    make_route(channel)
    return channel


def long_alert() -> None:
    # What an engine prints: long, of several lines, with what would be markup.
    alert = make_alert(message="the backup failed: <b>\u00fc & _x_")
    alert.hint = "no space left\n" * 400
    alert.save(update_fields=["hint"])
    notify_changes(now())


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("url", "field", "limit"), [(DISCORD, "content", 2000), (TELEGRAM, "text", 4096)]
)
def test_a_long_message_is_shortened_to_the_limit_of_its_service(
    receiver: Receiver, url: str, field: str, limit: int
) -> None:
    channel = chat(url)
    receiver.limited, receiver.limit = field, limit
    long_alert()
    assert send_due(channel) == 1
    text = json.loads(receiver.received[-1].body)[field]
    assert len(text) > limit / 2
    assert "/alerts/" in text
    assert "Shortened. The rest" in text.replace("&nbsp;", " ")
    assert len(receiver.received) == 1


@pytest.mark.django_db
def test_a_refused_message_is_sent_once_more_in_few_words(receiver: Receiver) -> None:
    channel = chat(DISCORD)
    receiver.limited, receiver.limit = "content", 600
    long_alert()
    assert send_due(channel) == 1
    assert "accepted it shortened" in Notification.objects.get().response


@pytest.mark.django_db
def test_what_is_refused_for_good_goes_another_way(receiver: Receiver) -> None:
    channel = chat(DISCORD)
    other = make_webhook(receiver.url, name="other")
    receiver.status = 400
    long_alert()
    assert send_due(channel) == 0
    notification = Notification.objects.get(channel=channel)
    assert (notification.status, notification.attempts) == ("failed", 1)
    state = NotificationState.objects.get(channel=channel)
    assert state.delivery_failed
    assert state.remind_at
    assert state.remind_at > now()
    forwarded = Notification.objects.get(channel=other, dedupe_key__startswith="undelivered-")
    assert "Not delivered on channel chat: Critical" in forwarded.content["title"]
    assert [alert["id"] for alert in forwarded.content["alerts"]] == [state.alert_id]
    # The next one is sent in the ordinary way, and then it counts.
    receiver.status = 200
    NotificationState.objects.update(remind_at=now())
    notify_changes(now())
    assert send_due(channel) == 1
    state.refresh_from_db()
    assert not state.delivery_failed


@pytest.mark.django_db
def test_a_receiver_that_refuses_the_size_is_not_tried_for_a_day(receiver: Receiver) -> None:
    hook = make_webhook(receiver.url)
    make_route(hook)
    receiver.status = 413
    long_alert()
    send_due(hook)
    assert Notification.objects.get().status == "failed"


def test_whole_alerts_are_kept_while_they_fit() -> None:
    alerts = [{"subject_name": f"orders-{n}", "message": "x" * 100} for n in range(9)]
    content = {"title": "9 alerts", "alerts": alerts, "url": "https://m.example/alerts/"}
    text = build_short_text(content, 500)
    assert len(text) <= 500
    assert text.count("x" * 100) == 3
    assert text.endswith("Shortened. The rest: https://m.example/alerts/\n")
    assert build_short_text(content, 5000).count("x" * 100) == 9


def test_a_cut_is_marked_and_counts() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdef", 4) == "abc\u2026"
    assert cut("abcdef", 0) == ""
