"""Writes the statements that reverse a transaction, or says why only a recovery can."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from backups.activity import record
from backups.binlog_archive.transactions.browse import Found, open_binlogs
from backups.binlog_archive.transactions.undo import UndoPlan, plan_undo
from backups.exceptions import BadInput
from backups.instances.connection import connect, login_of
from backups.management.output import REFUSED, Answer, MooringCommand
from backups.management.rows import named_instance
from backups.models.activity import Verb
from backups.units import format_count


class Command(MooringCommand):
    help = "Write the statements that reverse an archived transaction into a file."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("instance")
        parser.add_argument("transaction", help="Its GTID, or FILE:POSITION where it begins.")
        parser.add_argument(
            "--to-file", metavar="FILE", type=Path, required=True, help="A file that is not there."
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        instance, path = named_instance(options["instance"]), options["to_file"]
        binlogs = open_binlogs(instance)
        found = binlogs.named(options["transaction"])
        with connect(login_of(instance)) as connection:
            plan = plan_undo(binlogs, found, connection)
        fields: dict[str, object] = {
            "gtid": found.transaction.gtid,
            "statements": len(plan.reversal.statements),
            "objections": plan.objections,
            "warnings": plan.warnings,
            "file": str(path) if plan.possible else None,
        }
        if not plan.possible:
            return Answer(fields, _refusal(plan, found, instance.name), REFUSED)
        _write(path, plan)
        details = {"transaction": found.name, "file": str(path.absolute())}
        record(Verb.VIEWED, instance, details=details)
        return Answer(
            fields,
            [
                f"{format_count(len(plan.reversal.statements), 'row')} reversed by {path}",
                *(f"WARNING: {warning}" for warning in plan.warnings),
                "Read it, then run it with the client: it commits all of it, or nothing.",
            ],
        )


def _refusal(plan: UndoPlan, found: Found, instance: str) -> list[str]:
    name = found.transaction.gtid
    recovery = f"restorebackup {instance} --to DIR"
    hint = f"Recover a moment before it with {recovery} --until MOMENT."
    if name:
        hint = (
            f"Recover the state before it with {recovery} --before-gtid {name}, "
            f"or a later one without it with {recovery} --until MOMENT --skip-gtid {name}."
        )
    return [
        "this transaction cannot be reversed by statements:",
        *(f"  {objection}" for objection in plan.objections),
        f"HINT: {hint}",
    ]


def _write(path: Path, plan: UndoPlan) -> None:
    """Write the file, which has row values in it, for its owner only."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise BadInput(
            f"cannot write {path}: {error.strerror}", hint="Name a file that is not there yet."
        ) from error
    with open(descriptor, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in plan.lines())
