"""List schedules: next run, coverage and punctuality."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils.timezone import now

from backups.management.output import Answer, MooringCommand, table
from backups.management.schedule_rows import (
    clock,
    count_unfit,
    punctuality,
    punctuality_words,
    rhythm_words,
    schedule_state,
    unfit_words,
)
from backups.models import BackupSchedule
from backups.models.schedule import PREDECESSORS
from backups.schedules.coverage import coverage_of, uncovered_instances

COLUMNS = ("schedule", "kind", "runs", "state", "next", "instances", "last 30 days")


class Command(MooringCommand):
    help = "List schedules: next run, coverage and punctuality."

    def answer(self, options: dict[str, Any]) -> Answer:
        at = now()
        schedules = list(BackupSchedule.objects.select_related(PREDECESSORS))
        coverage = coverage_of(schedules)
        unfit = count_unfit(schedules, coverage, at)
        counts = punctuality(schedules, at)
        unprotected = list(uncovered_instances().values_list("name", flat=True))
        fields = [
            {
                **_fields(schedule, at),
                "instances": len(coverage[schedule.pk]),
                "will_not_fit": unfit[schedule.pk],
                "last_30_days": counts[schedule.pk],
            }
            for schedule in schedules
        ]
        rows = [
            (
                schedule.name,
                schedule.planned_words,
                rhythm_words(schedule),
                schedule_state(schedule, at),
                schedule.chain_words or clock(schedule.next_due_at),
                str(len(coverage[schedule.pk])),
                punctuality_words(counts[schedule.pk]),
            )
            for schedule in schedules
        ]
        shown: list[Any] = [table(COLUMNS, rows, right="instances")] if rows else ["no schedules"]
        shown += filter(None, [unfit_words(schedules, unfit)])
        if unprotected:
            shown.append(f"Instances without a schedule: {', '.join(unprotected)}.")
        return Answer({"schedules": fields, "not_covered": unprotected}, shown)


def _fields(schedule: BackupSchedule, at: datetime) -> dict[str, Any]:
    return {
        "name": schedule.name,
        "origin": schedule.origin,
        "operation": schedule.operation,
        "kind": None if schedule.proves else schedule.kind,
        "rhythm": rhythm_words(schedule),
        "after": schedule.after.name if schedule.after else None,
        "state": schedule_state(schedule, at),
        "next_due_at": schedule.next_due_at,
    }
