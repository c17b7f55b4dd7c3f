"""End the hold of a backup before its time."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.management.output import Answer, MooringCommand
from backups.management.rows import named_backup
from backups.retention.holds import release_backup


class Command(MooringCommand):
    help = "End the hold of a backup before its time."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("label")

    def answer(self, options: dict[str, Any]) -> Answer:
        backup = named_backup(options["label"])
        release_backup(backup, now())
        return Answer({"label": backup.label}, [f"{backup} is no longer held"])
