"""Pause a schedule until it is resumed, or until a given time."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.activity import record
from backups.management.moments import moment_of
from backups.management.output import Answer, MooringCommand
from backups.management.schedule_rows import named_schedule, schedule_state
from backups.models.activity import Verb
from backups.schedules.pauses import pause_schedule


class Command(MooringCommand):
    help = "Pause a schedule until it is resumed, or until a given time."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("schedule", help="Its name.")
        parser.add_argument(
            "--reason", required=True, help="Reason, shown with the paused schedule."
        )
        parser.add_argument(
            "--until", help="End of the pause in ISO 8601; UTC unless it has an offset."
        )

    def answer(self, options: dict[str, Any]) -> Answer:
        schedule, at = named_schedule(options["schedule"]), now()
        until = moment_of(options["until"], "--until") if options["until"] else None
        pause_schedule(schedule, reason=options["reason"], until=until, by=None, now=at)
        record(Verb.PAUSED, schedule, details={"reason": schedule.paused_reason})
        fields = {"name": schedule.name, "paused_until": until, "reason": schedule.paused_reason}
        return Answer(fields, [f"{schedule.name} is {schedule_state(schedule, at)}"])
