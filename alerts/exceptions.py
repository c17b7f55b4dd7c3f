"""Every error that alerts raise on purpose. ``AlertsError`` is the root.

No text may contain a secret: it is stored with the notification and shown on pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from backups.exceptions import MooringError


class AlertsError(MooringError):
    """An expected failure, worded for people."""


class NotDelivered(AlertsError):
    """The delivery failed; a later attempt may succeed."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        # How long the receiver asked to wait.
        self.retry_after = retry_after


class MessageRefused(NotDelivered):
    """The receiver refuses this very message: another attempt with it cannot succeed."""


class PartlyDelivered(NotDelivered):
    """Some recipients are done with; only the others need another attempt."""

    def __init__(self, message: str, *, done: Sequence[str]) -> None:
        super().__init__(message)
        self.done = tuple(done)


class ChannelBroken(AlertsError):
    """No attempt can succeed until a person changes the channel."""
