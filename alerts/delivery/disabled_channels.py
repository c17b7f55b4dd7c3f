"""Which channels did Mooring itself switch off, and is anybody told of anything still?"""

from __future__ import annotations

from django.db.models import QuerySet

from alerts.models import Channel, Route


def lost_channels() -> QuerySet[Channel]:
    """Return the channels that wait for a person to repair them and switch them on again."""
    return Channel.objects.filter(enabled=False).exclude(disabled_reason="")


def nobody_is_told() -> bool:
    """Whether such a channel had routes, and no channel that is on has any."""
    lost = lost_channels().filter(routes__enabled=True)
    told = Route.objects.filter(enabled=True, channel__enabled=True)
    return lost.exists() and not told.exists()
