"""Copy a stored backup, with all that it needs, to another repository; asks no database server."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.catalog.copies import source_for
from backups.exceptions import BadInput
from backups.executor.leftovers import clear_up_here
from backups.jobs.copying import CopyPlan, create_copying_job, plan_copying
from backups.management.follow import run_and_follow
from backups.management.output import Answer, MooringCommand, table
from backups.models import Backup, Repository
from backups.transitions.wanted_copies import drop_wanted
from backups.units import format_bytes


class Command(MooringCommand):
    help = "Copy a stored backup, with all that it needs, to another repository."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("label")
        parser.add_argument("--to", required=True, metavar="REPOSITORY", help="Where it goes.")
        parser.add_argument(
            "--from",
            dest="source",
            metavar="REPOSITORY",
            help="Read the copy in this repository; otherwise a sound one, rather from a folder.",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Show what would be copied, and change nothing."
        )
        parser.add_argument(
            "--give-up",
            metavar="REASON",
            help="Copy nothing: the copy is no longer wanted, and no longer reported as missing.",
        )
        parser.add_argument(
            "--foreground",
            action="store_true",
            help="Run it in this process, without worker and broker.",
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        backup = Backup.objects.filter(label=options["label"]).first()
        if backup is None:
            raise BadInput(
                f"no backup is called {options['label']}", hint="Run listbackups to see the labels."
            )
        target = Repository.objects.filter(name=options["to"]).first()
        if target is None:
            raise BadInput(f"no repository is called {options['to']}")
        if options["give_up"] is not None:
            return _give_up(backup, target, options["give_up"])
        if options["foreground"]:
            clear_up_here(now())
        source = source_for(backup, target, options["source"])
        if options["dry_run"]:
            return _show(plan_copying(source, target))
        job = create_copying_job(source, target, wake=not options["foreground"])
        console = self.progress_console(options)
        return run_and_follow(job, console, foreground=options["foreground"])


def _give_up(backup: Backup, target: Repository, reason: str) -> Answer:
    wanted = backup.wanted_copies.filter(repository=target).first()
    if wanted is None:
        raise BadInput(f"no copy of {backup.label} is reported as missing in {target}")
    drop_wanted(wanted, reason)
    fields = {"label": backup.label, "repository": target.name, "reason": reason}
    return Answer(fields, [f"a copy of {backup.label} in {target} is no longer wanted"])


def _show(plan: CopyPlan) -> Answer:
    copies = [
        {"label": copy.backup.label, "stored_bytes": copy.stored_bytes, "packs": copy.pack_count}
        for copy in plan.missing
    ]
    rows = [
        (copy.backup.label, str(copy.pack_count), format_bytes(copy.stored_bytes))
        for copy in plan.missing
    ]
    source, total = plan.source.repository.name, format_bytes(plan.stored_bytes)
    return Answer(
        {
            "from": source,
            "to": plan.target.name,
            "copies": copies,
            "stored_bytes": plan.stored_bytes,
        },
        [
            table(("backup", "packs", "stored"), rows, right="packs,stored"),
            f"{total} would be copied from {source} to {plan.target}; nothing was changed",
        ],
    )
