"""Writes the signed report of a month: planned, taken, missed, proven, changed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.activity import record
from backups.evidence_chain.verify import verify_chain
from backups.evidence_report.collect import collect
from backups.evidence_report.controlled import Demands
from backups.evidence_report.period import parse_month
from backups.evidence_report.signing import create_key, current_key
from backups.evidence_report.write import write_report
from backups.exceptions import BadInput
from backups.management.output import DONE, WITH_PROBLEMS, Answer, MooringCommand
from backups.management.rows import named
from backups.models import EvidenceChain, InstanceGroup
from backups.models.activity import Verb
from backups.units import format_count


class Command(MooringCommand):
    help = (
        "Write what was planned, taken, missed, proven and changed in a month into a folder: a "
        "page to print, JSON and CSV, signed. scripts/verify_evidence.py checks it without "
        "Mooring. Exit code 4 if a chain of evidence in it is broken."
    )

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("--month", required=True, metavar="YYYY-MM", help="In UTC.")
        parser.add_argument("--group", help="Only its instances. Default: all.")
        parser.add_argument("--to", required=True, type=Path, metavar="DIR", help="A new folder.")
        parser.add_argument(
            "--proven-within",
            type=int,
            default=35,
            metavar="DAYS",
            help="How old the last passed restore test of an instance may be. Default: 35.",
        )
        parser.add_argument(
            "--at-least-every",
            type=int,
            metavar="HOURS",
            help="How long an instance may be without a backup. Default: as its schedules plan.",
        )
        parser.add_argument("--new-key", action="store_true", help="Sign with a new key from now.")

    def answer(self, options: dict[str, Any]) -> Answer:
        period, at = parse_month(options["month"], now()), now()
        name = options["group"]
        group = named(InstanceGroup.objects.all(), name, "group", "applyconfig") if name else None
        report = collect(period, group, read_demands(options), at)
        key = create_key() if options["new_key"] else current_key()
        folder = options["to"].absolute()
        write_report(report, key, folder)
        details = {"month": period.name, "group": name or "", "key": key.key_id}
        record(Verb.EXPORTED, details=details | {"folder": str(folder)})
        names = {instance["name"] for instance in report["instances"]}
        chains = EvidenceChain.objects.filter(instance__name__in=names).select_related("instance")
        broken = [
            f"The chain of evidence of {chain.instance.name} is broken: {finding.fault}."
            for chain in chains
            if (finding := verify_chain(chain, at, full=True)).fault
        ]
        shown = [
            f"{folder}: {period.name}, {format_count(len(names), 'instance')}, signed by key "
            f"{key.key_id}",
            "Keep the key's id and the heads apart from this host: sendevidence sends them.",
            *broken,
        ]
        fields = {
            "folder": str(folder),
            "month": period.name,
            "key_id": key.key_id,
            "instances": sorted(names),
            "broken": broken,
        }
        return Answer(fields, shown, WITH_PROBLEMS if broken else DONE)


def read_demands(options: dict[str, Any]) -> Demands:
    """Read what is demanded of every instance. Any: argparse decides what is in it."""
    days, hours = options["proven_within"], options["at_least_every"]
    if not 1 <= days <= 3660 or (hours is not None and not 1 <= hours <= 24 * 3660):
        raise BadInput("--proven-within and --at-least-every must be between 1 and ten years")
    every = timedelta(hours=hours) if hours is not None else None
    return Demands(timedelta(days=days), every)
