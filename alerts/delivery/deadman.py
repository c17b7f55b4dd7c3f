"""Does Mooring itself still run?

An external dead man's switch is pinged while all periodic tasks run. It raises the alarm when the
pings stop: Mooring itself cannot, once it is down or no channel delivers.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from alerts.delivery.failed_channels import no_working_route
from alerts.delivery.outbound import get
from alerts.exceptions import NotDelivered
from backups.health.heartbeats import is_stale
from backups.models import TickHeartbeat
from backups.models.clock import shared

# A periodic task that has not completed for this long counts as stopped.
MAX_SILENCE = timedelta(minutes=2)


def stopped_tasks(now: datetime, expected: frozenset[str]) -> list[str]:
    """Return the periodic tasks that have not completed recently, or that failed."""
    beats = {beat.name: beat for beat in TickHeartbeat.objects.filter(name__in=expected)}
    return sorted(
        name
        for name in expected
        if (beat := beats.get(name)) is None
        or beat.error
        or beat.finished_at is None
        or is_stale(beat.finished_at, shared(now), MAX_SILENCE)
    )


def ping(now: datetime, expected: frozenset[str]) -> None:
    """Ping the dead man's switch if every expected task runs; NotDelivered if it refuses.

    No ping after the last working channel was disabled: then the missing ping is the alarm.
    """
    if not settings.PING_URL or stopped_tasks(now, expected) or no_working_route():
        return
    response = get(settings.PING_URL)
    if not 200 <= response.status < 300:
        raise NotDelivered(f"the dead man's switch responded with status {response.status}")
