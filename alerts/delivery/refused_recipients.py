"""What happens to the recipients of a notification that refuse it for good?

They get no further attempt. The notification shows their responses, and the other channels are
notified of them once a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from alerts.delivery.undelivered import queue_report
from alerts.exceptions import MessageRefused, PartlyDelivered
from alerts.models import Channel, Notification


def record_recipients(notification: Notification, error: PartlyDelivered) -> str:
    """Store who needs no further attempt; return the response if none does and one accepted it.

    PartlyDelivered, as it came, if one does; MessageRefused if nobody accepted it.
    """
    notification.done_recipients = [*notification.done_recipients, *error.done]
    notification.refused_recipients = {**notification.refused_recipients, **error.refused}
    mine = Notification.objects.filter(pk=notification.pk, fencing_token=notification.fencing_token)
    mine.update(
        done_recipients=notification.done_recipients,
        refused_recipients=notification.refused_recipients,
    )
    if error.left:
        raise error
    if set(notification.done_recipients) <= set(notification.refused_recipients):
        raise MessageRefused(str(error))
    return str(error)


def with_refusals(notification: Notification, response: str) -> str:
    """Return the response to the last attempt, with what was refused for good in earlier ones."""
    earlier = {
        name: answer
        for name, answer in notification.refused_recipients.items()
        if name not in response
    }
    return f"{response}; refused before {_listed(earlier)}" if earlier else response


def report_refused_recipients(notification: Notification, *, now: datetime) -> None:
    """Notify the other channels of the recipients that this one does not reach."""
    channel = notification.channel
    text = (
        f"Channel {channel.name} does not reach every recipient\n"
        f"Refused for good: {_listed(notification.refused_recipients)}\n"
        "The other recipients are notified. Correct these addresses, or remove them."
    )
    for other in Channel.objects.filter(enabled=True).exclude(pk=channel.pk):
        queue_report(other, f"recipients-{channel.pk}-{now:%Y%m%d}", text, now=now)


def _listed(refused: Mapping[str, str]) -> str:
    return ", ".join(f"{address} ({answer})" for address, answer in refused.items())
