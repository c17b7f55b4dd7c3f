"""Take a backup of an instance, and wait for it."""

from __future__ import annotations

from argparse import BooleanOptionalAction
from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.chains.planner import KINDS
from backups.engines.mariadb_backup.options import MariadbOptions, parse_age
from backups.executor.leftovers import clear_up_here
from backups.jobs.request import create_backup_job
from backups.management.backup_dry_run import dry_run
from backups.management.choice_options import add_choice_options
from backups.management.follow import run_and_follow
from backups.management.output import Answer, MooringCommand
from backups.management.rows import named_instance, named_repository
from backups.states import AUTO, CHOSEN_KINDS, BackupKind
from backups.table_names.choice import parse_choice


class Command(MooringCommand):
    help = "Take a backup of an instance, and wait for it."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance")
        parser.add_argument(
            "--kind",
            default=BackupKind.FULL,
            choices=[*KINDS, AUTO, *CHOSEN_KINDS],
            help="What to store: everything, what changed since the newest backup (incremental) "
            "or since the newest full one (differential). Without one: a full backup is taken. "
            "auto: a full one where one is due, otherwise an incremental one. partial: the tables "
            "of --include and --exclude only, which protects nothing else.",
        )
        add_choice_options(parser)
        parser.add_argument(
            "--incremental",
            action="store_true",
            help="With --kind partial, of MariaDB: store what changed since the newest partial "
            "backup of the same --include and --exclude. One that stands alone is taken where "
            "kind auto would take a full one.",
        )
        parser.add_argument(
            "--repository",
            action="append",
            help="Repository to store it in; may be repeated for several copies. Default: those of "
            "the schedule that covers the instance, else the only enabled one.",
        )
        parser.add_argument(
            "--save-foreign-tables",
            action=BooleanOptionalAction,
            help="MySQL: save tables of other engines by SELECT. Default: the instance's setting.",
        )
        _add_optimistic(parser)
        parser.add_argument(
            "--foreground",
            action="store_true",
            help="Run it in this process, without worker and broker.",
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        if options["foreground"]:
            clear_up_here(now())
        repositories = [named_repository(name) for name in options["repository"] or []]
        instance = named_instance(options["instance"])
        choice = parse_choice(options["include"] or (), options["exclude"] or ())
        if options["dry_run"]:
            return dry_run(instance, options["kind"], choice, repositories)
        job = create_backup_job(
            instance,
            kind=options["kind"],
            repositories=repositories or None,
            save_foreign_tables=options["save_foreign_tables"],
            choice=choice,
            incremental=options["incremental"],
            optimistic=_optimistic(options),
            wake=not options["foreground"],
        )
        console = self.progress_console(options)
        return run_and_follow(job, console, foreground=options["foreground"])


def _optimistic(options: dict[str, Any]) -> MariadbOptions | None:
    age, busy = options["optimistic_time"], options["optimistic_busy_tables"]
    if not options["optimistic"] and age is None and busy is None:
        return None
    return MariadbOptions(
        optimistic=options["optimistic"],
        optimistic_seconds=None if age is None else parse_age(age),
        optimistic_busy_tables=busy,
    )


def _add_optimistic(parser: CommandParser) -> None:
    parser.add_argument(
        "--optimistic",
        action="store_true",
        help="MariaDB: copy tables that nobody writes to first, without redo and lock, and the "
        "others as usual.",
    )
    parser.add_argument(
        "--optimistic-time",
        metavar="AGE",
        help="With --optimistic: how long a quiet table's files did not change, as 30m, 2h or "
        "1d. Default: 1h.",
    )
    parser.add_argument(
        "--optimistic-busy-tables",
        metavar="PATTERNS",
        help="With --optimistic: tables that are never quiet, as schema.table with * and ?, "
        "separated by spaces.",
    )
