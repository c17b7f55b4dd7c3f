"""How does a notification leave the outbox?

A sender claims it under a lease. If the sender dies, the lease expires and another sender claims
it again: every notification is sent at least once, always with the same dedupe key.
"""

from __future__ import annotations

import logging
import random
import traceback
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet
from django.utils.timezone import now as wall_clock

from alerts.delivery.channels import kind_of, values_of
from alerts.delivery.channels.base import DONE
from alerts.delivery.refused_recipients import (
    record_recipients,
    report_refused_recipients,
    with_refusals,
)
from alerts.delivery.transitions import claim, lease_end, mark_delivered, mark_failed, reschedule
from alerts.delivery.undelivered import queue_report, record_undelivered, write_content
from alerts.exceptions import (
    AlertsError,
    ChannelBroken,
    MessageRefused,
    NotDelivered,
    PartlyDelivered,
)
from alerts.models import Channel, Notification
from alerts.states import NotificationKind
from backups.exceptions import BadInput, KeyUnavailable
from backups.models.clock import shared

logger = logging.getLogger(__name__)

FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
# Failed for good only when both are reached. A digest, or a notification deferred by quiet hours,
# may be a day old at its first attempt; this many attempts take at least half a day.
MAX_AGE = timedelta(days=1)
MAX_ATTEMPTS = 20
# After this many failed attempts, about a quarter of an hour, the other channels are notified.
ATTEMPTS_BEFORE_FAULT = 5
BATCH_SIZE = 200
# How long one sender works on a channel.
SENDER_TIME = timedelta(seconds=60)
MAX_RESPONSE_LENGTH = 1000


def channels_with_due_notifications(now: datetime) -> list[int]:
    """Return the ids of channels with notifications to send."""
    due = _due(now).values_list("channel_id", flat=True).order_by().distinct()
    return list(due)


def send_due(channel: Channel) -> int:
    """Send the due notifications of a channel, in order; return how many were delivered.

    Sends nothing while another sender holds the channel.
    """
    if not _claim_channel(channel, wall_clock()):
        return 0
    try:
        return _send_in_order(channel)
    finally:
        Channel.objects.filter(pk=channel.pk).update(sender_lease_expires_at=None)


def _claim_channel(channel: Channel, now: datetime) -> bool:
    now = shared(now)
    free = Q(sender_lease_expires_at=None) | Q(sender_lease_expires_at__lte=now)
    mine = Channel.objects.filter(free, pk=channel.pk, enabled=True)
    return bool(mine.update(sender_lease_expires_at=lease_end(now)))


def _send_in_order(channel: Channel) -> int:
    delivered, started_at = 0, wall_clock()
    due = _due(started_at).filter(channel=channel).order_by("id")
    for notification in due[:BATCH_SIZE]:
        now = wall_clock()
        # Stay within the lease: the next run wakes another sender for the rest.
        if now - started_at > SENDER_TIME:
            break
        if claim(notification, now=now):
            delivered += _send(notification)
            channel.refresh_from_db(fields=["enabled"])
            if not channel.enabled:
                break
    return delivered


def send_test(channel: Channel, *, requested_by: str) -> str:
    """Send a test at once, even on a disabled channel, and return the receiver's response.

    Raises NotDelivered or ChannelBroken with the error; the channel stays as it is.
    """
    now = wall_clock()
    notification = Notification.objects.create(
        channel=channel,
        kind=NotificationKind.TEST,
        dedupe_key=f"test-{channel.pk}-{now.timestamp()}",
        created_at=now,
    )
    text = f"Test of channel {channel.name}\nRequested by {requested_by}. No action is needed."
    if not claim(notification, now=now):
        raise NotDelivered("another sender claimed the test; see the channel's notifications")
    write_content(notification, text=text)
    try:
        response = _deliver(notification)
    except AlertsError as exc:
        mark_failed(notification, response=_short(exc), now=wall_clock())
        raise
    mark_delivered(notification, response=response, now=wall_clock())
    return response


def _send(notification: Notification) -> bool:
    if not notification.content:
        write_content(notification)
    try:
        response = _deliver(notification)
    except ChannelBroken as exc:
        _hold_until_repaired(notification, exc)
        return False
    except NotDelivered as exc:
        _retry(notification, exc)
        return False
    mark_delivered(notification, response=response[:MAX_RESPONSE_LENGTH], now=wall_clock())
    Channel.objects.filter(pk=notification.channel_id).update(last_delivered_at=wall_clock())
    if notification.refused_recipients:
        report_refused_recipients(notification, now=wall_clock())
    return True


def _deliver(notification: Notification) -> str:
    channel = notification.channel
    try:
        done = "\n".join(notification.done_recipients)
        values = {**values_of(channel), DONE: done}
        return with_refusals(notification, kind_of(channel).send(notification.content, values))
    except PartlyDelivered as exc:
        return with_refusals(notification, record_recipients(notification, exc))
    except AlertsError:
        raise
    except BadInput as exc:
        raise ChannelBroken(str(exc)) from None
    except KeyUnavailable:
        # This worker has another key than the others: the channel itself works.
        raise NotDelivered(
            "this worker's MOORING_SECRET_KEY cannot decrypt the channel's secrets"
        ) from None
    except Exception as exc:
        # A bug in a library or in Mooring. Its text may contain a secret address, so only the
        # type is stored; the log gets the line that raised it.
        name, line = type(exc).__name__, traceback.extract_tb(exc.__traceback__)[-1]
        logger.error(
            "notification %s on %s: %s at %s:%s",
            notification.pk, channel, name, line.filename, line.lineno,
            extra={"action": "send_failed", "notification_id": notification.pk},
        )  # fmt: skip
        raise NotDelivered(f"unexpected {name}; see the log of the worker") from None


def _retry(notification: Notification, error: NotDelivered) -> None:
    now = wall_clock()
    expired = now - notification.created_at > MAX_AGE and notification.attempts >= MAX_ATTEMPTS
    if expired or isinstance(error, MessageRefused):
        mark_failed(notification, response=_short(error), now=now)
        fault = f"failed after {notification.attempts} attempts: {error}"
        record_undelivered(notification, fault, now=now)
        report_channel_fault(notification.channel, fault, now=now)
        return
    wait = retry_after(notification.attempts, error.retry_after)
    reschedule(notification, response=_short(error), retry_at=now + wait, now=now)
    if notification.attempts == ATTEMPTS_BEFORE_FAULT:
        report_channel_fault(notification.channel, f"not delivered, retrying: {error}", now=now)


def _hold_until_repaired(notification: Notification, error: ChannelBroken) -> None:
    """Disable the channel; the notification is sent once a person has enabled it again."""
    now = wall_clock()
    # Disable first: another sender must not claim the rescheduled notification.
    disable_channel(notification.channel, str(error))
    if notification.kind != NotificationKind.CHANNEL_FAULT:
        # It may be sent much later: its content is built again then, from the state at that time.
        mine = Notification.objects.filter(pk=notification.pk)
        mine.filter(fencing_token=notification.fencing_token).update(content={})
    reschedule(notification, response=_short(error), retry_at=now, now=now)


def retry_after(attempts: int, requested: timedelta | None) -> timedelta:
    """Return the wait after this many attempts: exponential, with jitter."""
    backoff: timedelta = min(FIRST_RETRY * 2 ** min(attempts - 1, 10), LONGEST_RETRY)
    jittered = backoff * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, not a secret
    return max(jittered, min(requested or timedelta(0), LONGEST_RETRY))


def disable_channel(channel: Channel, reason: str) -> None:
    """Disable a channel that cannot work as configured, and report it on the others."""
    now = wall_clock()
    mine = Channel.objects.filter(pk=channel.pk, enabled=True)
    if mine.update(enabled=False, disabled_reason=reason, disabled_at=now):
        logger.error(
            "channel %s disabled: %s", channel, reason,
            extra={"action": "channel_disabled", "channel": channel.name},
        )  # fmt: skip
        report_channel_fault(channel, f"disabled: {reason}", now=now)


def report_channel_fault(channel: Channel, fault: str, *, now: datetime) -> None:
    """Queue a notification about a channel on every other one, at most once an hour."""
    for other in Channel.objects.filter(enabled=True).exclude(pk=channel.pk):
        text = (
            f"Channel {channel.name} does not deliver\n{fault}\n"
            "Its notifications are not delivered until the channel is fixed."
        )
        queue_report(other, f"channel-{channel.pk}-{now:%Y%m%d%H}", text, now=now)


def _due(now: datetime) -> QuerySet[Notification]:
    return Notification.objects.filter(
        next_attempt_at__lte=now, channel__enabled=True
    ).select_related("channel")


def _short(error: Exception) -> str:
    return str(error)[:MAX_RESPONSE_LENGTH]
