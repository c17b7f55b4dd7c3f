"""The kinds of channels there are."""

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
    """Return what a channel's row says it is."""
    kind = CHANNELS.get(channel.kind)
    if kind is None:
        raise BadInput(f"there is no kind of channel called {channel.kind!r}")
    return kind


def values_of(channel: Channel) -> Values:
    """Return settings and secrets, in the clear: for a delivery and for nothing else."""
    secrets = json.loads(channel.secrets_text() or "{}")
    return {**channel.settings, **secrets}


def configure(channel: Channel, values: Values) -> None:
    """Put checked values on a channel, the secret ones encrypted; the caller saves the row.

    A secret left blank keeps what it was.
    """
    kind = kind_of(channel)
    kept = values_of(channel)
    filled = {
        field.name: values.get(field.name) or (kept.get(field.name, "") if field.secret else "")
        for field in kind.fields
    }
    for field in kind.fields:
        if field.required and not filled[field.name].strip():
            raise BadInput(f"{field.label.lower()} is missing")
    kind.check(filled)
    channel.settings = {f.name: filled[f.name] for f in kind.fields if not f.secret}
    channel.set_secrets(json.dumps({f.name: filled[f.name] for f in kind.fields if f.secret}))
