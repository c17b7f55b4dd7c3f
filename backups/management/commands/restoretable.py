"""Restores a few tables of a backup: into an instance, a folder or a file of SQL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from backups.checks import Check
from backups.exceptions import BadInput
from backups.management.copy_command import CopyCommand, add_mysqld_option, chosen_mysqld
from backups.management.output import DONE, REFUSED, Answer
from backups.models import BackupCopy, Job
from backups.table_names.choice import parse_pattern
from backups.table_names.names import TableName, parse_table
from backups.table_restores.matched import find_matching
from backups.table_restores.plan import lines_of, plan_table_restore
from backups.table_restores.request import (
    WantedTables,
    create_table_restore_job,
    parameters_for,
)
from backups.table_restores.target import named_instance


class Command(CopyCommand):
    help = (
        "Restore a few tables of a backup without the rest of it: into a running instance, as "
        "files into a folder, or as SQL into a file."
    )

    def add_options(self, parser: CommandParser) -> None:
        super().add_options(parser)
        parser.add_argument(
            "--table",
            action="append",
            metavar="SCHEMA.TABLE",
            help="A table of the backup; can be given several times.",
        )
        parser.add_argument(
            "--all-of",
            action="append",
            metavar="PATTERN",
            help="With --to: every InnoDB table of the backup that matches, such as 'shop.*', as "
            "files to import into a running server; can be given several times.",
        )
        parser.add_argument(
            "--as", dest="new_name", metavar="SCHEMA.TABLE", help="Another name for the only table."
        )
        place = parser.add_mutually_exclusive_group(required=True)
        place.add_argument("--to-instance", metavar="NAME", help="The instance that gets them.")
        place.add_argument(
            "--to", type=Path, metavar="FOLDER", help="A new or empty folder for their files."
        )
        place.add_argument(
            "--sql", type=Path, metavar="FILE", help="A new file for their definitions and rows."
        )
        parser.add_argument(
            "--replace",
            action="store_true",
            help="Rename a table of the instance that has the name, and keep it so.",
        )
        parser.add_argument(
            "--plan",
            action="store_true",
            help="Change nothing: show what would be read, how each table comes, and every check.",
        )
        add_mysqld_option(parser)

    def answer(self, options: dict[str, Any]) -> Answer:
        if not options["plan"]:
            return super().answer(options)
        copy = self.find_copy(options)
        plan = plan_table_restore(copy, parameters_for(self.wanted(copy, options)))
        fields = {
            "checks": [check.as_json() for check in plan.checks],
            "read_bytes": plan.read_bytes,
            "stored_bytes": plan.stored_bytes,
            "extract_bytes": plan.extract_bytes,
            "system_bytes": plan.system_bytes,
            "would_be_refused": bool(plan.refused),
        }
        shown = [*lines_of(plan), *(_line(check) for check in plan.checks)]
        return Answer(fields, shown, REFUSED if plan.refused else DONE)

    def create_job(self, copy: BackupCopy, options: dict[str, Any], *, wake: bool) -> Job:
        return create_table_restore_job(copy, self.wanted(copy, options), wake=wake)

    def wanted(self, copy: BackupCopy, options: dict[str, Any]) -> WantedTables:
        """Return what the options ask for."""
        instance, new_name = options["to_instance"], options["new_name"]
        return WantedTables(
            tables=[*map(parse_table, options["table"] or ()), *self._matched(copy, options)],
            to_instance=named_instance(instance) if instance else None,
            to_folder=options["to"].absolute() if options["to"] else None,
            sql_file=options["sql"].absolute() if options["sql"] else None,
            new_name=parse_table(new_name) if new_name else None,
            replace=options["replace"],
            mysqld=chosen_mysqld(options),
        )

    def _matched(self, copy: BackupCopy, options: dict[str, Any]) -> Sequence[TableName]:
        """Return the tables of patterns, and say which others match them."""
        if not options["all_of"]:
            if not options["table"]:
                raise BadInput("no table is named", hint="Add --table, or --all-of with --to.")
            return ()
        if not options["to"]:
            raise BadInput(
                "patterns name tables whose files are wanted: there is no folder for them",
                hint="Add --to FOLDER, or name each table with --table.",
            )
        patterns = [parse_pattern(text) for text in options["all_of"]]
        matched = find_matching(copy, patterns)
        if matched.left_out:
            named = ", ".join(map(str, matched.left_out))
            self.stderr.write(f"left out, as no server imports them: {named}")
        return matched.tables


def _line(check: Check) -> str:
    hint = f" {check.hint}" if check.hint else ""
    return f"{check.verdict.value}: {check.name}: {check.found}{hint}"
