"""Celery's doorways of the messenger; every task is safe to run twice, late or never."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from alerts import pruning
from alerts.delivery.deadman import ping
from alerts.delivery.sending import channels_with_due, send_due
from alerts.evaluation import evaluate
from alerts.exceptions import AlertsError
from alerts.models import Channel
from alerts.routing.outbox import tell_changes, tell_standing
from backups.health.heartbeats import alone, records_heartbeat

logger = logging.getLogger(__name__)

EXPIRES = 60
# Without these nothing is started and nobody is told.
EXPECTED_TICKS = frozenset({"plan occurrences", "evaluate changed", "tell people"})


@shared_task(ignore_result=True)
@records_heartbeat
def evaluate_changed() -> None:
    """Ask the rules about what something happened to, and tell at once what they found."""
    if evaluate.evaluate_changed(now()).anything:
        # The teller's own tick would come up to ten seconds later.
        tell_changes(now())
        wake_senders()


@shared_task(ignore_result=True)
@records_heartbeat
def evaluate_all() -> None:
    """Ask the rules about everything."""
    evaluate.evaluate_all(now())


@shared_task(ignore_result=True)
@records_heartbeat
def tell_people() -> None:
    """Make the messages that are due, and wake a sender for each channel that has some."""
    tell_changes(now())
    wake_senders()


@shared_task(ignore_result=True)
@records_heartbeat
def tell_what_stands() -> None:
    """Make the messages for what nobody was told of when it changed."""
    tell_standing(now())
    wake_senders()


@shared_task(ignore_result=True)
def send_channel(channel_id: int) -> None:
    """Send what is due on one channel. A slow one keeps no other waiting."""
    channel = Channel.objects.filter(pk=channel_id, enabled=True).first()
    if channel is not None:
        send_due(channel)


def wake_senders() -> None:
    """Wake a sender per channel. A broker that is away loses nothing: the rows wait."""
    for channel in channels_with_due(now()):
        try:
            # Whoever is not woken in time is woken again by the next tick.
            send_channel.apply_async((channel,), queue="outside", expires=EXPIRES)
        except OperationalError as exc:
            logger.warning(
                "messages wait: the broker is away: %s", exc, extra={"action": "broker_unreachable"}
            )
            return


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def prune_alerts() -> None:
    """Delete alerts and messages of the past that are too old."""
    pruning.prune_alerts(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def ping_outside() -> None:
    """Tell an outside service that all ticks tick."""
    try:
        ping(now(), EXPECTED_TICKS)
    except AlertsError as exc:
        logger.warning(
            "the dead-man service was not reached: %s", exc, extra={"action": "deadman_unreachable"}
        )
