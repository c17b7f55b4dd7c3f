"""How do the commands show schedules, and which one does a name mean?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils.timezone import localtime

from backups.exceptions import BadInput
from backups.management.rows import named
from backups.models import BackupSchedule, Instance, Occurrence
from backups.schedule import DueTime, preview
from backups.schedules.coverage import never_reached
from backups.schedules.forecasts import forecast_next
from backups.states import OPEN_OCCURRENCE_STATUSES, OccurrenceStatus

LOOK_BACK = timedelta(days=30)


def named_schedule(name: str) -> BackupSchedule:
    """Load a schedule by name, or raise BadInput with the nearest names as hint."""
    return named(BackupSchedule.objects.all(), name, "schedule", "the Django admin")


def rhythm_words(schedule: BackupSchedule) -> str:
    if schedule.after is not None:
        return schedule.chain_words
    fulls = f", full {schedule.full_cron}" if schedule.full_cron else ""
    if schedule.every_hours is not None:
        zone = f" {schedule.time_zone}" if fulls else ""
        return f"every {schedule.every_hours} h{fulls}{zone}"
    return f"{schedule.cron}{fulls} {schedule.time_zone}"


def schedule_state(schedule: BackupSchedule, now: datetime) -> str:
    """Return whether it is enabled, disabled or paused, in a few words."""
    if not schedule.enabled:
        return "disabled"
    if not schedule.paused(now):
        before = schedule.stopped_by
        return f"waits: {before.name} is disabled" if before else "enabled"
    until = f" until {clock(schedule.paused_until)}" if schedule.paused_until else ""
    return f"paused{until}: {schedule.paused_reason}"


def next_runs(schedule: BackupSchedule, now: datetime, count: int) -> list[DueTime]:
    """Return the next runs, or those that it follows; none if its time zone is no longer known."""
    if not schedule.enabled or schedule.stopped_by is not None:
        return []
    try:
        runs = preview(schedule.rhythm, now, count)
    except BadInput:
        return []
    words = schedule.chain_words
    return [replace(run, note="; ".join(filter(None, (words, run.note)))) for run in runs]


def count_unfit(
    schedules: Sequence[BackupSchedule], coverage: Mapping[int, Sequence[Instance]], now: datetime
) -> dict[int, int]:
    """Count the next runs of each schedule that will probably not fit its window."""
    pairs = [
        (schedule, instance.pk)
        for schedule in schedules
        if schedule.enabled and schedule.stopped_by is None and not schedule.proves
        for instance in coverage[schedule.pk]
    ]
    counts = {schedule.pk: 0 for schedule in schedules}
    for (schedule, _), found in zip(pairs, forecast_next(pairs, now), strict=True):
        counts[schedule.pk] += found.will_not_fit
    return counts


def unfit_words(schedules: Sequence[BackupSchedule], unfit: Mapping[int, int]) -> str:
    """Name the schedules with such runs; blank without any."""
    named = [
        f"{schedule.name} {unfit[schedule.pk]}" for schedule in schedules if unfit[schedule.pk]
    ]
    return f"Next runs that will not fit their window: {', '.join(named)}." if named else ""


def not_reached_words(schedule: BackupSchedule) -> str:
    """Name the instances that get no runs, because what it follows does not cover them."""
    if schedule.after is None:
        return ""
    names = list(never_reached(schedule).values_list("name", flat=True))
    return f"{schedule.after.name} does not cover {', '.join(names)}: no runs" if names else ""


def punctuality(schedules: Sequence[BackupSchedule], now: datetime) -> dict[int, dict[str, int]]:
    """Count the occurrences of the last 30 days by status, late and overrun, in one query."""
    recent = Occurrence.objects.filter(
        schedule__in=schedules, due_at__gt=now - LOOK_BACK, due_at__lte=now
    )
    grouped = recent.order_by().values_list("schedule", "status")
    rows = grouped.annotate(count=Count("id"), late=Count("late_at"), overran=Count("overran_at"))
    names = [status.value for status in OccurrenceStatus] + ["late", "overran"]
    tallies = {schedule.pk: dict.fromkeys(names, 0) for schedule in schedules}
    for schedule_id, status, count, late, overran in rows:
        counts = tallies[schedule_id]
        counts[status] += count
        counts["late"] += late
        counts["overran"] += overran
    return tallies


def punctuality_words(counts: dict[str, int]) -> str:
    still_open = {str(status.value) for status in OPEN_OCCURRENCE_STATUSES}
    parts = [
        f"{count} {name}" for name, count in counts.items() if count and name not in still_open
    ]
    return ", ".join(parts) or "no runs yet"


def clock(moment: datetime | None) -> str:
    return f"{localtime(moment):%Y-%m-%d %H:%M}Z" if moment else "never"
