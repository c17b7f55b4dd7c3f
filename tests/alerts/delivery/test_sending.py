from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from alerts.delivery.channels import configure, values_of
from alerts.delivery.sending import (
    FIRST_RETRY,
    LONGEST_RETRY,
    MAX_ATTEMPTS,
    channels_with_due_notifications,
    retry_after,
    send_due,
    send_test,
)
from alerts.delivery.transitions import claim
from alerts.exceptions import ChannelBroken, NotDelivered
from alerts.models import Alert, Channel, Notification
from alerts.routing.outbox import notify_changes
from alerts.states import AlertStatus, NotificationStatus
from backups.exceptions import BadInput
from tests.alerts.receiver import Receiver, receiving
from tests.alerts.rows import SECRET, change, make_alert, make_route, make_webhook

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def hook(receiver: Receiver) -> Channel:
    hook = make_webhook(receiver.url)
    make_route(hook)
    return hook


def notified(hook: Channel) -> Notification:
    """Have one alert notified on a channel; return its message."""
    make_alert()
    notify_changes(now())
    return Notification.objects.get(channel=hook)


def test_a_message_is_sent_once(hook: Channel, receiver: Receiver) -> None:
    message = notified(hook)
    assert channels_with_due_notifications(now()) == [hook.pk]
    assert [send_due(hook), send_due(hook)] == [1, 0]
    message.refresh_from_db()
    assert (message.status, message.response) == ("delivered", "200 thanks")
    assert channels_with_due_notifications(now()) == []
    assert len(receiver.received) == 1


def test_its_content_says_what_the_alert_is_when_it_leaves(
    hook: Channel, receiver: Receiver
) -> None:
    alert = make_alert()
    notify_changes(now())
    change(alert, AlertStatus.RESOLVED, now())
    send_due(hook)
    content = Notification.objects.get().content
    assert content["title"] == "Critical (resolved since): orders-1: the backup failed"
    assert content["alerts"][0]["status"] == "resolved"


def test_a_failed_try_waits_and_the_next_carries_the_same(
    hook: Channel, receiver: Receiver
) -> None:
    message = notified(hook)
    receiver.status, receiver.headers = 503, {"Retry-After": "900"}
    assert send_due(hook) == 0
    message.refresh_from_db()
    assert (message.status, message.attempts) == ("pending", 1)
    assert message.next_attempt_at
    assert message.next_attempt_at > now() + timedelta(seconds=890)
    receiver.status = 200
    Notification.objects.update(next_attempt_at=now())
    assert send_due(hook) == 1
    first, second = receiver.received
    assert first.body == second.body
    assert first.headers["Mooring-Dedupe-Key"] == second.headers["Mooring-Dedupe-Key"]


def test_after_a_day_it_is_given_up_and_another_channel_hears_of_it(
    hook: Channel, receiver: Receiver
) -> None:
    other = make_webhook(receiver.url, name="other")
    message = notified(hook)
    receiver.status = 500
    day_ago = now() - timedelta(days=1, seconds=1)
    Notification.objects.update(created_at=day_ago, attempts=MAX_ATTEMPTS - 1)
    send_due(hook)
    message.refresh_from_db()
    assert message.status == NotificationStatus.FAILED
    fault = Notification.objects.get(channel=other, dedupe_key__startswith="channel-")
    assert "failed after 20 attempts" in fault.content["text"]


def test_a_digest_of_a_day_is_tried_more_than_once(hook: Channel, receiver: Receiver) -> None:
    message = notified(hook)
    receiver.status = 500
    Notification.objects.update(created_at=now() - timedelta(days=1, seconds=1))
    send_due(hook)
    message.refresh_from_db()
    assert message.status == NotificationStatus.PENDING


def test_a_dead_channel_is_switched_off_and_another_one_says_so(
    hook: Channel, receiver: Receiver
) -> None:
    other = make_webhook(receiver.url, name="other")
    notified(hook)
    receiver.status = 410
    send_due(hook)
    hook.refresh_from_db()
    assert not hook.enabled
    assert "410" in hook.disabled_reason
    assert "410" in Notification.objects.get(channel=hook).response
    receiver.status = 200
    assert channels_with_due_notifications(now()) == [other.pk]
    assert send_due(other) == 1
    assert b"Channel hook does not deliver" in receiver.received[-1].body


def test_its_message_waits_until_the_channel_is_on_again(hook: Channel, receiver: Receiver) -> None:
    message = notified(hook)
    receiver.status = 410
    send_due(hook)
    receiver.status = 200
    assert (channels_with_due_notifications(now()), send_due(hook)) == ([], 0)
    change(Alert.objects.get(), AlertStatus.RESOLVED, now())
    # Days later: however long that took, it is not too old for a try.
    Notification.objects.update(created_at=now() - timedelta(days=9))
    Channel.objects.update(enabled=True, disabled_reason="")
    assert send_due(hook) == 1
    message.refresh_from_db()
    assert (message.status, message.attempts) == ("delivered", 2)
    assert message.content["title"] == "Critical (resolved since): orders-1: the backup failed"
    refused, arrived = (request.headers["Mooring-Dedupe-Key"] for request in receiver.received)
    assert refused == arrived


def test_a_worker_with_another_key_switches_nothing_off(
    hook: Channel, receiver: Receiver, settings: Settings
) -> None:
    message = notified(hook)
    right = settings.INSTANCE_SECRET_KEYS
    settings.INSTANCE_SECRET_KEYS = ["QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="]
    assert send_due(hook) == 0
    hook.refresh_from_db()
    message.refresh_from_db()
    assert (hook.enabled, message.status) == (True, NotificationStatus.PENDING)
    assert "MOORING_SECRET_KEY" in message.response
    settings.INSTANCE_SECRET_KEYS = right
    Notification.objects.update(next_attempt_at=now())
    assert send_due(hook) == 1


def test_what_goes_wrong_unexpectedly_is_logged_without_its_text(
    hook: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    notified(hook)
    # Not JSON: the library's error quotes nothing of it, but its traceback could.
    hook.set_secrets("s3cret")
    hook.save()
    send_due(hook)
    record = next(line for line in caplog.records if line.name == "alerts.delivery.sending")
    assert "JSONDecodeError at " in record.getMessage()
    assert record.exc_info is None
    assert (
        Notification.objects.get().response
        == "unexpected JSONDecodeError; see the log of the worker"
    )


def test_an_address_inside_is_never_reached(
    hook: Channel, receiver: Receiver, settings: Settings
) -> None:
    settings.OUTBOUND_NETWORKS = []
    notified(hook)
    send_due(hook)
    hook.refresh_from_db()
    assert "not a public address" in hook.disabled_reason
    assert receiver.received == []


def test_one_sender_has_a_channel_at_a_time(hook: Channel, receiver: Receiver) -> None:
    notified(hook)
    Channel.objects.update(sender_lease_expires_at=now() + timedelta(seconds=60))
    assert send_due(hook) == 0
    Channel.objects.update(sender_lease_expires_at=now())
    assert send_due(hook) == 1


def test_a_dead_senders_message_is_sent_again(hook: Channel, receiver: Receiver) -> None:
    message = notified(hook)
    assert claim(message, now=now())
    assert send_due(hook) == 0
    Notification.objects.update(next_attempt_at=now())
    assert send_due(hook) == 1
    message.refresh_from_db()
    assert message.attempts == 2


def test_two_senders_race_and_one_wins(hook: Channel) -> None:
    message = notified(hook)
    again = Notification.objects.get(pk=message.pk)
    assert claim(message, now=now())
    assert not claim(again, now=now())


def test_a_test_shows_the_real_answer(hook: Channel, receiver: Receiver) -> None:
    assert send_test(hook, requested_by="ada") == "200 thanks"
    receiver.status = 404
    with pytest.raises(NotDelivered, match="404 thanks"):
        send_test(hook, requested_by="ada")
    receiver.status = 410
    with pytest.raises(ChannelBroken):
        send_test(hook, requested_by="ada")
    hook.refresh_from_db()
    assert hook.enabled


def test_retries_spread_out_and_listen_to_the_other_side() -> None:
    for _ in range(50):
        assert FIRST_RETRY * 0.8 <= retry_after(1, None) <= FIRST_RETRY * 1.2
        assert LONGEST_RETRY * 0.8 <= retry_after(30, None) <= LONGEST_RETRY * 1.2
    assert retry_after(1, timedelta(minutes=20)) == timedelta(minutes=20)
    assert retry_after(1, timedelta(days=3)) == LONGEST_RETRY


def test_secrets_are_kept_sealed_and_survive_an_edit(hook: Channel) -> None:
    assert SECRET not in f"{hook.settings}{hook.secrets_token}"
    configure(hook, {"url": "https://example.org/", "secret": ""})
    assert values_of(hook)["secret"] == SECRET
    assert values_of(hook)["url"] == "https://example.org/"
    with pytest.raises(BadInput, match="url is missing"):
        configure(hook, {"url": ""})


@pytest.mark.parametrize(
    "url", ["syslog://", "rsyslog://192.0.2.1", "dbus://", "nothing://x", "slack://"]
)
def test_apprise_urls_that_cannot_be_meant(url: str) -> None:
    with pytest.raises(BadInput) as caught:
        configure(Channel(name="x", kind="apprise"), {"url": url})
    assert "://x" not in str(caught.value)


def test_apprise_delivers_and_says_why_it_could_not(receiver: Receiver) -> None:
    channel = Channel(name="chat", kind="apprise")
    configure(channel, {"url": receiver.url.replace("http", "json")})
    channel.save()
    assert send_test(channel, requested_by="ada") == "JSON accepted it"
    receiver.status = 500
    with pytest.raises(NotDelivered, match=r"JSON: .*500"):
        send_test(channel, requested_by="ada")


def test_apprise_reaches_no_inner_address(receiver: Receiver, settings: Settings) -> None:
    settings.OUTBOUND_NETWORKS = []
    channel = Channel(name="chat", kind="apprise")
    configure(channel, {"url": receiver.url.replace("http", "json")})
    channel.save()
    with pytest.raises(NotDelivered):
        send_test(channel, requested_by="ada")
    assert receiver.received == []
