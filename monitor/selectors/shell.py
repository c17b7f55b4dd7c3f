"""What does every page have to say: do the ticks tick, and how many alerts stand?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from alerts.models import Alert
from alerts.states import AlertStatus, Severity
from backups.models import TickBeat
from backups.occurrences import TICK

# Twelve ticks of ten seconds: nobody is told of less.
STOPPED_AFTER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Ticks:
    """The tick that plans: when it last ran through; None where it never has."""

    finished_at: datetime | None
    stopped: bool
    error: str


def load_ticks(now: datetime) -> Ticks:
    """Look at the planning tick, in one query."""
    beat = TickBeat.objects.filter(name=TICK).first()
    if beat is None:
        return Ticks(None, False, "")
    # One that began and has never ended is as good as none.
    last = beat.finished_at or beat.started_at
    stopped = last is not None and now - last > STOPPED_AFTER
    return Ticks(beat.finished_at, stopped, beat.error)


def count_firing() -> tuple[int, int]:
    """Count the alerts that stand and nobody has seen, and the critical among them."""
    counted = Alert.objects.filter(status=AlertStatus.FIRING).aggregate(
        all=Count("id"), critical=Count("id", filter=Q(severity__gte=Severity.CRITICAL))
    )
    return counted["all"], counted["critical"]
