"""How do the heads of chains of evidence leave this host?

In the outbox, as notifications do. Who receives them can tell later whether a chain was replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from alerts.delivery.undelivered import write_content
from alerts.models import Channel, Notification
from alerts.states import NotificationKind
from backups.exceptions import BadInput
from backups.models import EvidenceChain, SigningKey
from backups.units import format_count

# Messages have limits; a shortened one would lose heads without anybody noticing.
MOST_HEADS = 100


def queue_heads(
    channel: Channel, chains: Sequence[EvidenceChain], key: SigningKey, now: datetime
) -> Notification:
    """Queue one message with the head of each chain, and the key that signs reports."""
    if not channel.enabled:
        raise BadInput(f"channel {channel} is disabled")
    if not chains:
        raise BadInput("there is no evidence yet")
    if len(chains) > MOST_HEADS:
        raise BadInput(
            f"{len(chains)} heads are too many for one message: at most {MOST_HEADS}",
            hint="Send them group by group: --group.",
        )
    lines = [
        f"Heads of {format_count(len(chains), 'chain')} of evidence, {now:%Y-%m-%d %H:%M} UTC",
        "Keep this message: verify_evidence.py compares reports with it.",
        f"key {key.key_id}",
        *(f"{chain.instance.name}: link {chain.length}, head {chain.head}" for chain in chains),
    ]
    # One transaction: a sender must not claim it before it has content.
    with transaction.atomic():
        notification = Notification.objects.create(
            channel=channel,
            kind=NotificationKind.EVIDENCE,
            dedupe_key=f"evidence-{channel.pk}-{now.timestamp()}",
            created_at=now,
            next_attempt_at=now,
        )
        write_content(notification, text="\n".join(lines))
    return notification
