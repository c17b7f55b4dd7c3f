"""Which channels did Mooring disable, and is there a working route left?"""

from __future__ import annotations

from django.db.models import QuerySet

from alerts.models import Channel, Route


def failed_channels() -> QuerySet[Channel]:
    """Return the channels that a person has to fix and enable again."""
    return Channel.objects.filter(enabled=False).exclude(disabled_reason="")


def no_working_route() -> bool:
    """Whether such a channel has routes, and no enabled channel has any."""
    failed = failed_channels().filter(routes__enabled=True)
    working = Route.objects.filter(enabled=True, channel__enabled=True)
    return failed.exists() and not working.exists()
