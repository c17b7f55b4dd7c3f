"""Shows a schedule: settings, next runs in local and UTC time, coverage and punctuality."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.utils.timezone import now
from rich.table import Table

from backups.management.output import Answer, MooringCommand, table
from backups.management.schedule_rows import (
    named_schedule,
    next_runs,
    not_reached_words,
    punctuality,
    punctuality_words,
    rhythm_words,
    schedule_state,
)
from backups.management.schedule_settings import settings_fields, settings_rows
from backups.models import BackupSchedule, Instance
from backups.pacing.entered import describe_own
from backups.schedule import DueTime, stagger_of
from backups.schedules.coverage import covered_instances
from backups.schedules.forecasts import forecast_next
from backups.units import format_duration

RUNS = 10


class Command(MooringCommand):
    help = "Show a schedule: its settings, next runs in local and UTC time, coverage, punctuality."

    def add_options(self, parser: CommandParser) -> None:
        parser.add_argument("schedule", help="Its name.")

    def answer(self, options: dict[str, Any]) -> Answer:
        schedule, at = named_schedule(options["schedule"]), now()
        runs = next_runs(schedule, at, RUNS)
        covered = list(covered_instances(schedule).order_by("name"))
        forecasts = _forecasts(schedule, covered, at)
        offsets = _offsets(schedule, covered)
        counts = punctuality([schedule], at)[schedule.pk]
        fields = {
            **_own_fields(schedule, at),
            "next_runs": [_fields_of_run(schedule, run) for run in runs],
            "instances": offsets,
            "forecasts": forecasts,
            "last_30_days": counts,
            "settings": settings_fields(schedule),
        }
        rows = [
            (name, format_duration(offset), forecasts[name]) for name, offset in offsets.items()
        ]
        return Answer(
            fields,
            [
                *_lines(schedule, at, punctuality_words(counts)),
                table(("setting", "value"), settings_rows(schedule)),
                _table_of_runs(schedule, runs),
                table(("instance", "starts after", "next run and window"), rows),
            ],
        )


def _own_fields(schedule: BackupSchedule, at: datetime) -> dict[str, Any]:
    return {
        "name": schedule.name,
        "operation": schedule.operation,
        "kind": None if schedule.proves else schedule.kind,
        "rhythm": rhythm_words(schedule),
        "after": schedule.after.name if schedule.after else None,
        "after_run": schedule.after_run if schedule.after else None,
        "not_reached": not_reached_words(schedule),
        "make_up_full": schedule.make_up_full,
        "state": schedule_state(schedule, at),
        "window": schedule.window,
        "grace": schedule.grace,
        "pace": describe_own(schedule),
    }


def _forecasts(
    schedule: BackupSchedule, covered: Sequence[Instance], at: datetime
) -> dict[str, str]:
    if schedule.proves:
        return {instance.name: "unknown" for instance in covered}
    found = forecast_next([(schedule, instance.pk) for instance in covered], at)
    return {each.name: str(one) for each, one in zip(covered, found, strict=True)}


def _offsets(schedule: BackupSchedule, covered: Sequence[Instance]) -> dict[str, timedelta]:
    return {each.name: stagger_of(each.uuid, schedule.pk, schedule.stagger) for each in covered}


def _lines(schedule: BackupSchedule, at: datetime, punctual: str) -> list[str]:
    lines = [
        f"{schedule.name}: {schedule.planned_words}, {rhythm_words(schedule)}, "
        f"{schedule_state(schedule, at)}",
        f"window {format_duration(schedule.window)}, late after "
        f"{format_duration(schedule.grace)}; the last 30 days: {punctual}",
        f"pace: {describe_own(schedule) or 'as each instance says'}",
        not_reached_words(schedule),
    ]
    return [line for line in lines if line]


def _fields_of_run(schedule: BackupSchedule, run: DueTime) -> dict[str, object]:
    return {
        "local": run.local.isoformat(),
        "utc": run.at,
        "kind": None if schedule.proves else schedule.kind_of(run),
        "note": run.note,
    }


def _table_of_runs(schedule: BackupSchedule, runs: Sequence[DueTime]) -> Table:
    rows = [
        (
            f"{run.local:%Y-%m-%d %H:%M %Z}",
            f"{run.at:%Y-%m-%d %H:%M}Z",
            schedule.planned_words if schedule.proves else schedule.kind_of(run),
            run.note,
        )
        for run in runs
    ]
    return table(("local", "utc", "kind", "note"), rows)
