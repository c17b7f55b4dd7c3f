"""Everything the messenger raises on purpose. ``AlertsError`` is the root.

No text may carry a secret: it is stored with the message and shown to people.
"""

from __future__ import annotations

from datetime import timedelta

from backups.exceptions import MooringError


class AlertsError(MooringError):
    """Something failed that a person should read about."""


class NotDelivered(AlertsError):
    """This time it did not work; another try may."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        # The other side said when to come back.
        self.retry_after = retry_after


class ChannelDead(AlertsError):
    """No try will ever work until a person changes the channel."""
