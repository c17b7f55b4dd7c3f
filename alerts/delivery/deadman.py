"""Does Mooring itself still run?

An outside service is called after each complete round of ticks. It raises the alarm when no call
comes: nothing in here could, once nothing in here runs, or reaches anybody.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from alerts.delivery.disabled_channels import nobody_is_told
from alerts.delivery.outbound import get
from alerts.exceptions import NotDelivered
from backups.models import TickHeartbeat

# Rounds may take their time; a tick that has not ended for this long does not tick.
FRESH = timedelta(minutes=2)


def stale_ticks(now: datetime, expected: frozenset[str]) -> list[str]:
    """Return the ticks that have not run through lately, or have failed."""
    beats = {beat.name: beat for beat in TickHeartbeat.objects.filter(name__in=expected)}
    return sorted(
        name
        for name in expected
        if (beat := beats.get(name)) is None
        or beat.error
        or beat.finished_at is None
        or now - beat.finished_at > FRESH
    )


def ping(now: datetime, expected: frozenset[str]) -> None:
    """Call the outside service where every expected tick ticks; NotDelivered where it says no.

    Not where the last channel that told anybody was switched off: the silence is the alarm then.
    """
    if not settings.PING_URL or stale_ticks(now, expected) or nobody_is_told():
        return
    answer = get(settings.PING_URL)
    if not 200 <= answer.status < 300:
        raise NotDelivered(f"the dead-man service answered {answer.status}")
