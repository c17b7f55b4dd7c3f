"""On which coming days is an instance to be backed up? Reckoned, not stored.

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

# How a row that ties a schedule to something leads on to instances.
_PATHS = {"instances": "instance", "groups": "instancegroup__instances", "tags": "tag__instances"}


def schedules_of(
    instances: Sequence[Instance], only: BackupSchedule | None = None
) -> Mapping[int, Sequence[BackupSchedule]]:
    """Return the enabled schedules that cover each instance, by the instance's number."""
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
    wanted = {pk for pks in ties.values() for pk in pks}
    found = {
        each.pk: each for each in (enabled.filter(pk__in=wanted) | enabled.filter(covers_all=True))
    }
    general = {pk for pk, schedule in found.items() if schedule.covers_all}
    return {pk: [found[each] for each in sorted((ties[pk] | general) & found.keys())] for pk in ids}


def planned_days(schedule: BackupSchedule, days: Sequence[date], now: datetime) -> dict[date, str]:
    """Say on which of ``days`` a schedule runs after ``now``: planned, or paused then."""
    found = {}
    for day in days:
        begins, ends = day_begins(day), day_begins(day + timedelta(days=1))
        try:
            slot = next_due_time(schedule.rhythm, max(begins - INSTANT, now))
        except BadInput:
            return {}
        if slot is not None and slot < ends:
            found[day] = "paused" if schedule.paused(slot) else "planned"
    return found


def planned_words(
    coverage: Mapping[int, Sequence[BackupSchedule]], days: Sequence[date], now: datetime
) -> dict[tuple[int, date], str]:
    """Return what is planned by instance and day; each schedule is reckoned once."""
    reckoned: dict[int, dict[date, str]] = {}
    found: dict[tuple[int, date], str] = {}
    for instance_id, schedules in coverage.items():
        for schedule in schedules:
            if schedule.pk not in reckoned:
                reckoned[schedule.pk] = planned_days(schedule, days, now)
            for day, word in reckoned[schedule.pk].items():
                # One that is not paused is enough for the day to be planned.
                if found.get((instance_id, day)) != "planned":
                    found[instance_id, day] = word
    return found


def day_begins(day: date) -> datetime:
    """Return the first moment of a day of the reader."""
    return datetime(day.year, day.month, day.day, tzinfo=get_current_timezone())
