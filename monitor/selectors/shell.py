"""What does every page show: does the scheduler run, do channels work, how many alerts fire?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, Count, Exists, Q, When

from alerts.delivery.failed_channels import failed_channels
from alerts.models import Alert
from alerts.states import AlertStatus, Severity
from backups.health.heartbeats import is_stale
from backups.models import TickHeartbeat
from backups.models.clock import shared
from backups.schedules.tick import TICK

# Twelve runs at ten seconds: shorter gaps are normal.
STOPPED_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class SchedulerState:
    """The task that plans jobs: when it last completed; None if it never has."""

    finished_at: datetime | None
    stopped: bool
    error: str
    # Mooring disabled a channel: its notifications are not delivered.
    channel_failed: bool


def load_scheduler_state(now: datetime) -> SchedulerState:
    """Load the heartbeat of the planning task and the failed channels, in one query.

    Notifications are sent by periodic tasks, so a failed channel implies at least one heartbeat.
    """
    beats = TickHeartbeat.objects.annotate(channel_failed=Exists(failed_channels()))
    beat = beats.order_by(Case(When(name=TICK, then=0), default=1)).first()
    if beat is None or beat.name != TICK:
        return SchedulerState(None, False, "", beat is not None and beat.channel_failed)
    # A run that started but never completed counts from its start.
    last = beat.finished_at or beat.started_at
    stopped = last is not None and is_stale(last, shared(now), STOPPED_AFTER)
    return SchedulerState(beat.finished_at, stopped, beat.error, beat.channel_failed)


def count_firing() -> tuple[int, int]:
    """Count firing alerts, and the critical ones among them."""
    counted = Alert.objects.filter(status=AlertStatus.FIRING).aggregate(
        all=Count("id"), critical=Count("id", filter=Q(severity__gte=Severity.CRITICAL))
    )
    return counted["all"], counted["critical"]
