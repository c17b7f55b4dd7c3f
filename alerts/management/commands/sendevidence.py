"""Sends the heads of the chains of evidence to a channel, away from this host."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from alerts.delivery.heads import queue_heads
from alerts.models import Channel
from backups.activity import record
from backups.evidence_report.signing import current_key
from backups.management.output import Answer, MooringCommand
from backups.management.rows import named
from backups.models import EvidenceChain, InstanceGroup
from backups.models.activity import Verb
from backups.units import format_count


class Command(MooringCommand):
    help = (
        "Send the head of each instance's chain of evidence, and the id of the key that signs "
        "reports, to a channel: who has them can tell whether a chain was replaced."
    )

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--channel", required=True, help="Name of the channel.")
        parser.add_argument("--group", help="Only of its instances. Default: all.")

    def answer(self, options: dict[str, Any]) -> Answer:
        channel = named(Channel.objects.all(), options["channel"], "channel", "applyconfig")
        chains = EvidenceChain.objects.filter(length__gt=0).select_related("instance")
        if name := options["group"]:
            group = named(InstanceGroup.objects.all(), name, "group", "applyconfig")
            chains = chains.filter(instance__groups=group)
        heads = list(chains.order_by("instance__name"))
        key = current_key()
        queue_heads(channel, heads, key, now())
        record(Verb.EXPORTED, details={"channel": channel.name, "heads": len(heads)})
        fields = {
            "channel": channel.name,
            "key_id": key.key_id,
            "heads": {chain.instance.name: chain.head for chain in heads},
        }
        shown = [f"{format_count(len(heads), 'head')} queued for channel {channel}"]
        return Answer(fields, shown)
