"""The Celery tasks of alerts; every task is safe to run twice, late or never."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from alerts import pruning
from alerts.delivery.deadman import ping
from alerts.delivery.sending import channels_with_due_notifications, send_due
from alerts.evaluation import evaluate
from alerts.exceptions import AlertsError
from alerts.models import Channel
from alerts.routing.outbox import notify_changes, notify_open_alerts
from backups.health.clock_jump import refuse_clock_jump
from backups.health.heartbeats import alone, records_heartbeat

logger = logging.getLogger(__name__)

EXPIRES = 60
# Without these no job is started and no notification is sent.
EXPECTED_TASKS = frozenset({"plan occurrences", "evaluate changed", "dispatch notifications"})


@shared_task(ignore_result=True)
@records_heartbeat
def evaluate_changed() -> None:
    """Evaluate the rules for everything that changed, and queue notifications at once."""
    if evaluate.evaluate_changed(now()).changed_anything:
        # ``dispatch_notifications`` would run up to ten seconds later.
        notify_changes(now())
        wake_senders()


@shared_task(ignore_result=True)
@records_heartbeat
def evaluate_all() -> None:
    """Evaluate the rules for the whole fleet."""
    evaluate.evaluate_all(now())


@shared_task(ignore_result=True)
@records_heartbeat
def dispatch_notifications() -> None:
    """Queue notifications for new transitions and reminders, and wake the senders."""
    notify_changes(now())
    wake_senders()


@shared_task(ignore_result=True)
@records_heartbeat
def recheck_open_alerts() -> None:
    """Queue notifications that open alerts still lack: after a silence, on a new route."""
    notify_open_alerts(now())
    wake_senders()


@shared_task(ignore_result=True)
def send_channel(channel_id: int) -> None:
    """Send the due notifications of one channel. A slow channel delays no other."""
    channel = Channel.objects.filter(pk=channel_id, enabled=True).first()
    if channel is not None:
        send_due(channel)


def wake_senders() -> None:
    """Wake a sender per channel. While the broker is unreachable, notifications stay queued."""
    for channel in channels_with_due_notifications(now()):
        try:
            # A sender that is not woken in time is woken by the next run.
            send_channel.apply_async((channel,), queue="outside", expires=EXPIRES)
        except OperationalError as exc:
            logger.warning(
                "notifications stay queued: the message broker is unreachable: %s", exc,
                extra={"action": "broker_unreachable"},
            )  # fmt: skip
            return


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def prune_alerts() -> None:
    """Delete old resolved alerts and old notifications."""
    refuse_clock_jump("prune alerts", now())
    pruning.prune_alerts(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def ping_dead_man_switch() -> None:
    """Ping the external dead man's switch while all periodic tasks run."""
    try:
        ping(now(), EXPECTED_TASKS)
    except AlertsError as exc:
        logger.warning(
            "the dead man's switch was not reached: %s", exc, extra={"action": "ping_failed"}
        )
