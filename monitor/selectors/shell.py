"""What does every page have to say: do ticks tick, do channels work, how many alerts stand?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, Count, Exists, Q, When

from alerts.delivery.disabled_channels import lost_channels
from alerts.models import Alert
from alerts.states import AlertStatus, Severity
from backups.models import TickHeartbeat
from backups.schedules.tick import TICK

# Twelve ticks of ten seconds: nobody is told of less.
STOPPED_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Ticks:
    """The tick that plans: when it last ran through; None where it never has."""

    finished_at: datetime | None
    stopped: bool
    error: str
    # Mooring switched a channel off: what it had to tell there reaches nobody.
    channel_lost: bool


def load_ticks(now: datetime) -> Ticks:
    """Look at the planning tick and the channels, in one query.

    Messages are sent by ticks, so a lost channel is found beside the row of any.
    """
    beats = TickHeartbeat.objects.annotate(channel_lost=Exists(lost_channels()))
    beat = beats.order_by(Case(When(name=TICK, then=0), default=1)).first()
    if beat is None or beat.name != TICK:
        return Ticks(None, False, "", beat is not None and beat.channel_lost)
    # One that began and has never ended is as good as none.
    last = beat.finished_at or beat.started_at
    stopped = last is not None and now - last > STOPPED_AFTER
    return Ticks(beat.finished_at, stopped, beat.error, beat.channel_lost)


def count_firing() -> tuple[int, int]:
    """Count the alerts that stand and nobody has seen, and the critical among them."""
    counted = Alert.objects.filter(status=AlertStatus.FIRING).aggregate(
        all=Count("id"), critical=Count("id", filter=Q(severity__gte=Severity.CRITICAL))
    )
    return counted["all"], counted["critical"]
