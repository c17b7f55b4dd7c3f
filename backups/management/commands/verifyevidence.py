"""Verify that no evidence was changed, removed or put in since it was recorded."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now
from rich.console import RenderableType

from backups.evidence_chain.verify import verify_chain
from backups.management.output import DONE, FAILED, Answer, MooringCommand, table
from backups.management.rows import named_instance
from backups.models import EvidenceChain
from backups.units import format_count


class Command(MooringCommand):
    help = (
        "Verify the chain of evidence of each instance from its first link: no row was changed, "
        "removed or put in since it was recorded. Exit code 1 if one was."
    )

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance", nargs="?", help="Only this one.")

    def answer(self, options: dict[str, Any]) -> Answer:
        chains = EvidenceChain.objects.select_related("instance").order_by("instance__name")
        if options["instance"]:
            chains = chains.filter(instance=named_instance(options["instance"]))
        found = [(chain, verify_chain(chain, now(), full=True)) for chain in chains]
        faulty = sum(bool(finding.fault) for _, finding in found)
        rows = [
            (chain.instance.name, str(chain.length), finding.fault or "whole", chain.head)
            for chain, finding in found
        ]
        links = format_count(sum(finding.checked for _, finding in found), "row")
        summary = f"{len(found) - faulty} of {format_count(len(found), 'chain')} whole, {links} of "
        shown: list[RenderableType] = [
            table(("instance", "links", "result", "head"), rows),
            f"{summary}evidence as recorded",
        ]
        fields = {
            "chains": [
                {
                    "instance": chain.instance.name,
                    "length": chain.length,
                    "head": chain.head,
                    "checked": finding.checked,
                    "fault": finding.fault,
                }
                for chain, finding in found
            ]
        }
        return Answer(fields, shown, FAILED if faulty else DONE)
