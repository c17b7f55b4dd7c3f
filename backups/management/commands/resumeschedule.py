"""End a schedule's pause: what is due and inside its window starts at the next tick."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now

from backups.activity import record
from backups.exceptions import BadInput
from backups.management.output import Answer, MooringCommand
from backups.management.schedule_rows import clock, named_schedule
from backups.models.activity import Verb
from backups.schedules.pauses import resume_schedule


class Command(MooringCommand):
    help = "End a schedule's pause: what is due and inside its window starts at the next tick."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("schedule", help="Its name.")

    def answer(self, options: dict[str, Any]) -> Answer:
        schedule = named_schedule(options["schedule"])
        if schedule.paused_at is None:
            raise BadInput(f"{schedule.name} is not paused")
        resume_schedule(schedule, now=now())
        record(Verb.RESUMED, schedule)
        fields = {"name": schedule.name, "next_due_at": schedule.next_due_at}
        return Answer(fields, [f"{schedule.name} runs next at {clock(schedule.next_due_at)}"])
