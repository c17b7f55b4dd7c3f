"""The kinds of channels."""

from __future__ import annotations

import json
from collections.abc import Mapping

from alerts.delivery.channels.apprise_urls.channel import AppriseChannel
from alerts.delivery.channels.base import ChannelKind, Values
from alerts.delivery.channels.email.channel import EmailChannel
from alerts.delivery.channels.webhook.channel import WebhookChannel
from alerts.models import Channel
from backups.exceptions import BadInput

_KINDS: tuple[ChannelKind, ...] = (EmailChannel(), WebhookChannel(), AppriseChannel())
CHANNELS: Mapping[str, ChannelKind] = {kind.name: kind for kind in _KINDS}


def kind_of(channel: Channel) -> ChannelKind:
    """Return the kind of a channel; BadInput if it is unknown."""
    kind = CHANNELS.get(channel.kind)
    if kind is None:
        raise BadInput(f"no kind of channel is named {channel.kind!r}")
    return kind


def values_of(channel: Channel) -> Values:
    """Return settings and secrets in plain text; for delivery only."""
    secrets = json.loads(channel.secrets_text() or "{}")
    return {**channel.settings, **secrets}


def configure(channel: Channel, values: Values) -> None:
    """Set checked values on a channel, secrets encrypted; the caller saves the row.

    A blank secret keeps its present value.
    """
    kind = kind_of(channel)
    present = values_of(channel)
    new_values = {
        field.name: values.get(field.name) or (present.get(field.name, "") if field.secret else "")
        for field in kind.fields
    }
    for field in kind.fields:
        if field.required and not new_values[field.name].strip():
            raise BadInput(f"{field.label.lower()} is missing")
    kind.check(new_values)
    channel.settings = {f.name: new_values[f.name] for f in kind.fields if not f.secret}
    channel.set_secrets(json.dumps({f.name: new_values[f.name] for f in kind.fields if f.secret}))
