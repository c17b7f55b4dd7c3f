"""Undo the deletion of a backup that is marked for it, and hold the backup for a week."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.management.output import Answer, MooringCommand
from backups.management.rows import named_backup, named_repository
from backups.retention.marks import UNDONE, keep_backup


class Command(MooringCommand):
    help = (
        "Undo the deletion of a backup that is marked for it. The backup is held for a week, so "
        "that its retention does not mark it again in the next hour."
    )

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("label")
        parser.add_argument("--repository", help="Keep only the copy in this repository.")
        parser.add_argument("--reason", default=UNDONE, help="Reason, shown with the backup.")

    def answer(self, options: dict[str, Any]) -> Answer:
        backup, name = named_backup(options["label"]), options["repository"]
        repository = named_repository(name) if name else None
        until = keep_backup(backup, now=now(), reason=options["reason"], repository=repository)
        return Answer(
            {"label": backup.label, "held_until": until},
            [
                f"the deletion of {backup} is undone",
                f"it is held until {until:%Y-%m-%d %H:%M %Z}: then its retention applies again",
            ],
        )
