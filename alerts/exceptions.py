"""Every error that alerts raise on purpose. ``AlertsError`` is the root.

No text may contain a secret: it is stored with the notification and shown on pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    """Not every recipient accepted it; some of them may in another attempt."""

    def __init__(
        self, message: str, *, done: Sequence[str], refused: Mapping[str, str], left: bool
    ) -> None:
        super().__init__(message)
        # Need no further attempt: they accepted it, or refused it for good.
        self.done = tuple(done)
        # The response of each that refused it for good.
        self.refused = dict(refused)
        # Whether another attempt has somebody to reach.
        self.left = left


class ChannelBroken(AlertsError):
    """No attempt can succeed until a person changes the channel."""
