"""How does a message leave the outbox?

Whoever sends it claims it first, for a time. A sender that dies in between leaves a message that
the next one claims again: every message is sent at least once, with the same dedupe key.
"""

from __future__ import annotations

import logging
import random
import traceback
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.timezone import now as wall_clock

from alerts.delivery.channels import kind_of, values_of
from alerts.delivery.content import build_content
from alerts.delivery.transitions import claim, deliver, give_up, lease_end, put_back
from alerts.exceptions import AlertsError, ChannelDead, NotDelivered
from alerts.models import Channel, MessageKind, Notification
from backups.exceptions import BadInput, KeyUnavailable

logger = logging.getLogger(__name__)

FIRST_RETRY = timedelta(seconds=30)
LONGEST_RETRY = timedelta(hours=1)
# Given up when it is so old and was tried so often. A digest, or what waited for the end of quiet
# hours, may be a day old at its first try; so many tries take half a day at least.
PATIENCE = timedelta(days=1)
MOST_TRIES = 20
# So many tries in vain, about a quarter of an hour, and the others hear of it.
TRIES_BEFORE_TROUBLE = 5
MESSAGES_AT_ONCE = 200
# How long one sender goes on with a channel.
SENDER_TIME = timedelta(seconds=60)
ANSWER_CHARACTERS = 1000


def channels_with_due(now: datetime) -> list[int]:
    """Return the channels that have something to send."""
    due = _due(now).values_list("channel_id", flat=True).order_by().distinct()
    return list(due)


def send_due(channel: Channel) -> int:
    """Send what is due on a channel, in order; return how many were delivered.

    Sends nothing while another sender has the channel.
    """
    if not _take_channel(channel, wall_clock()):
        return 0
    try:
        return _send_in_order(channel)
    finally:
        Channel.objects.filter(pk=channel.pk).update(sender_until=None)


def _take_channel(channel: Channel, now: datetime) -> bool:
    free = Q(sender_until=None) | Q(sender_until__lte=now)
    mine = Channel.objects.filter(free, pk=channel.pk, enabled=True)
    return bool(mine.update(sender_until=lease_end(now)))


def _send_in_order(channel: Channel) -> int:
    delivered, begun = 0, wall_clock()
    due = _due(begun).filter(channel=channel).order_by("id")
    for notification in due[:MESSAGES_AT_ONCE]:
        now = wall_clock()
        # Within the lease: the next tick wakes another sender for what is left.
        if now - begun > SENDER_TIME:
            break
        if claim(notification, now=now):
            delivered += _send(notification)
            channel.refresh_from_db(fields=["enabled"])
            if not channel.enabled:
                break
    return delivered


def send_test(channel: Channel, *, asked_by: str) -> str:
    """Send a test at once, whether or not the channel is on, and return the real answer.

    Raises NotDelivered or ChannelDead with what went wrong; both change nothing of the channel.
    """
    now = wall_clock()
    notification = Notification.objects.create(
        channel=channel,
        kind=MessageKind.TEST,
        dedupe_key=f"test-{channel.pk}-{now.timestamp()}",
        created_at=now,
    )
    words = f"Test of channel {channel.name}\nAsked for by {asked_by}. Nothing is wrong."
    if not claim(notification, now=now):
        raise NotDelivered("another sender took the test; look at the channel's messages")
    _write_content(notification, words=words)
    try:
        answer = _deliver(notification)
    except AlertsError as exc:
        give_up(notification, answer=_short(exc), now=wall_clock())
        raise
    deliver(notification, answer=answer, now=wall_clock())
    return answer


def _send(notification: Notification) -> bool:
    if not notification.content:
        _write_content(notification)
    try:
        answer = _deliver(notification)
    except ChannelDead as exc:
        _wait_for_repair(notification, exc)
        return False
    except NotDelivered as exc:
        _retry(notification, exc)
        return False
    deliver(notification, answer=answer[:ANSWER_CHARACTERS], now=wall_clock())
    Channel.objects.filter(pk=notification.channel_id).update(last_delivered_at=wall_clock())
    return True


def _deliver(notification: Notification) -> str:
    channel = notification.channel
    try:
        return kind_of(channel).send(notification.content, values_of(channel))
    except AlertsError:
        raise
    except BadInput as exc:
        raise ChannelDead(str(exc)) from None
    except KeyUnavailable:
        # A worker with another key than the rest: nothing is wrong with the channel.
        raise NotDelivered("this worker's MOORING_SECRET_KEY does not open its secrets") from None
    except Exception as exc:
        # A fault of a library or ours: its text may hold an address that is a secret, so only
        # its type is told, and to the log the line that raised it.
        name, line = type(exc).__name__, traceback.extract_tb(exc.__traceback__)[-1]
        logger.error(
            "message %s on %s: %s at %s:%s",
            notification.pk,
            channel,
            name,
            line.filename,
            line.lineno,
            extra={"action": "message_failed"},
        )
        raise NotDelivered(f"unexpected {name}: the log says where") from None


def _write_content(notification: Notification, *, words: str = "") -> None:
    alerts = notification.alerts.select_related("instance", "schedule", "repository", "job")
    content = build_content(
        notification, list(alerts.order_by("-severity", "pk")), now=wall_clock(), words=words
    )
    mine = Notification.objects.filter(pk=notification.pk, fencing_token=notification.fencing_token)
    mine.update(content=content)
    notification.content = dict(content)


def _retry(notification: Notification, error: NotDelivered) -> None:
    now = wall_clock()
    old = now - notification.created_at > PATIENCE
    if old and notification.attempts >= MOST_TRIES:
        give_up(notification, answer=_short(error), now=now)
        tell_others(
            notification.channel, f"given up after {notification.attempts} tries: {error}", now=now
        )
        return
    wait = retry_after(notification.attempts, error.retry_after)
    put_back(notification, answer=_short(error), again_at=now + wait, now=now)
    if notification.attempts == TRIES_BEFORE_TROUBLE:
        tell_others(notification.channel, f"not delivered, still trying: {error}", now=now)


def _wait_for_repair(notification: Notification, error: ChannelDead) -> None:
    """Switch the channel off; its message is sent when a person has switched it on again."""
    now = wall_clock()
    # Off first: put back, the message must not be found by another sender.
    switch_off(notification.channel, str(error))
    if notification.kind != MessageKind.CHANNEL_LOST:
        # It was refused, and that may be long ago by then: it is to say how things stand then.
        mine = Notification.objects.filter(pk=notification.pk)
        mine.filter(fencing_token=notification.fencing_token).update(content={})
    put_back(notification, answer=_short(error), again_at=now, now=now)


def retry_after(attempts: int, asked: timedelta | None) -> timedelta:
    """Return how long to wait after so many tries: longer each time, and never all at once."""
    backoff: timedelta = min(FIRST_RETRY * 2 ** min(attempts - 1, 10), LONGEST_RETRY)
    jittered = backoff * random.uniform(0.8, 1.2)  # noqa: S311 - spreads load, hides nothing
    return max(jittered, min(asked or timedelta(0), LONGEST_RETRY))


def switch_off(channel: Channel, reason: str) -> None:
    """Switch a channel off that can never work as it is, and tell somebody through another."""
    now = wall_clock()
    mine = Channel.objects.filter(pk=channel.pk, enabled=True)
    if mine.update(enabled=False, disabled_reason=reason, disabled_at=now):
        logger.error(
            "channel %s switched off: %s", channel, reason, extra={"action": "channel_disabled"}
        )
        tell_others(channel, f"switched off: {reason}", now=now)


def tell_others(channel: Channel, what: str, *, now: datetime) -> None:
    """Make a message about a channel on every other one, once an hour at most."""
    for other in Channel.objects.filter(enabled=True).exclude(pk=channel.pk):
        words = (
            f"Channel {channel.name} does not deliver\n{what}\n"
            "Its messages reach nobody until a person repairs it."
        )
        # Together: a sender must not find it before it says something.
        with transaction.atomic():
            message, made = Notification.objects.get_or_create(
                dedupe_key=f"channel-{channel.pk}-{other.pk}-{now:%Y%m%d%H}",
                defaults={
                    "channel": other,
                    "kind": MessageKind.CHANNEL_LOST,
                    "created_at": now,
                    "next_look_at": now,
                },
            )
            if made:
                _write_content(message, words=words)


def _due(now: datetime) -> QuerySet[Notification]:
    return Notification.objects.filter(next_look_at__lte=now, channel__enabled=True).select_related(
        "channel"
    )


def _short(error: Exception) -> str:
    return str(error)[:ANSWER_CHARACTERS]
