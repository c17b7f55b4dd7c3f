"""On which coming days are backups of an instance planned? Calculated, not stored.

For the instances of one page only, in a fixed number of queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from django.utils.timezone import get_current_timezone

from backups.exceptions import BadInput
from backups.models import BackupSchedule, Instance
from backups.schedule import INSTANT, next_due_time

# The path from a row of the relation to its instances.
_PATHS = {"instances": "instance", "groups": "instancegroup__instances", "tags": "tag__instances"}


def schedules_of(
    instances: Sequence[Instance], only: BackupSchedule | None = None
) -> Mapping[int, Sequence[BackupSchedule]]:
    """Return the enabled schedules that cover each instance, by instance id."""
    enabled = BackupSchedule.objects.filter(enabled=True)
    if only is not None:
        enabled = enabled.filter(pk=only.pk)
    ids = [instance.pk for instance in instances if instance.enabled]
    ties: defaultdict[int, set[int]] = defaultdict(set)
    for field, path in _PATHS.items():
        through = getattr(BackupSchedule, field).through
        rows = through.objects.filter(**{f"{path}__in": ids}, backupschedule__in=enabled)
        for schedule_id, instance_id in rows.values_list("backupschedule", path):
            if instance_id in ids:
                ties[instance_id].add(schedule_id)
    tied = {pk for pks in ties.values() for pk in pks}
    covering = enabled.filter(pk__in=tied) | enabled.filter(covers_all=True)
    schedules = {schedule.pk: schedule for schedule in covering}
    general = {pk for pk, schedule in schedules.items() if schedule.covers_all}
    return {
        pk: [schedules[key] for key in sorted((ties[pk] | general) & schedules.keys())]
        for pk in ids
    }


def planned_days(schedule: BackupSchedule, days: Sequence[date], now: datetime) -> dict[date, str]:
    """Return on which of ``days`` a schedule runs after ``now``: planned or paused."""
    words = {}
    for day in days:
        begins, ends = day_begins(day), day_begins(day + timedelta(days=1))
        try:
            slot = next_due_time(schedule.rhythm, max(begins - INSTANT, now))
        except BadInput:
            return {}
        if slot is not None and slot < ends:
            words[day] = "paused" if schedule.paused(slot) else "planned"
    return words


def planned_words(
    coverage: Mapping[int, Sequence[BackupSchedule]], days: Sequence[date], now: datetime
) -> dict[tuple[int, date], str]:
    """Return the planned word per instance and day; each schedule is calculated once."""
    by_schedule: dict[int, dict[date, str]] = {}
    words: dict[tuple[int, date], str] = {}
    for instance_id, schedules in coverage.items():
        for schedule in schedules:
            if schedule.pk not in by_schedule:
                by_schedule[schedule.pk] = planned_days(schedule, days, now)
            for day, word in by_schedule[schedule.pk].items():
                # One schedule that is not paused makes the day planned.
                if words.get((instance_id, day)) != "planned":
                    words[instance_id, day] = word
    return words


def day_begins(day: date) -> datetime:
    """Return the start of a day in the user's time zone."""
    return datetime(day.year, day.month, day.day, tzinfo=get_current_timezone())
