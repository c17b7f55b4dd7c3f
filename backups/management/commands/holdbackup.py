"""Hold a backup: it is kept until a date, whatever its schedule decides."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.management.moments import moment_of
from backups.management.output import Answer, MooringCommand
from backups.management.rows import named_backup
from backups.retention.holds import hold_backup


class Command(MooringCommand):
    help = "Hold a backup: it is kept until a date, whatever its schedule decides."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("label")
        parser.add_argument(
            "--until",
            required=True,
            help="End of the hold in ISO 8601; UTC unless it has an offset.",
        )
        parser.add_argument("--reason", required=True, help="Reason, shown with the backup.")

    def answer(self, options: dict[str, Any]) -> Answer:
        backup, until = named_backup(options["label"]), moment_of(options["until"], "--until")
        hold_backup(backup, until=until, reason=options["reason"], now=now())
        return Answer(
            {"label": backup.label, "held_until": until, "reason": backup.held_reason},
            [f"{backup} is held until {until:%Y-%m-%d %H:%M %Z}: {backup.held_reason}"],
        )
