"""On which coming days are backups of an instance planned? Calculated, not stored.

For the instances of one page only, in a fixed number of queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import islice

from django.utils.timezone import get_current_timezone

from backups.exceptions import BadInput
from backups.models import BackupSchedule, Instance
from backups.models.schedule import PREDECESSORS
from backups.schedule import INSTANT, DueTime, only_full, reached, upcoming
from backups.states import Operation

# The path from a row of the relation to its instances.
_PATHS = {"instances": "instance", "groups": "instancegroup__instances", "tags": "tag__instances"}


def schedules_of(
    instances: Sequence[Instance], only: BackupSchedule | None = None
) -> Mapping[int, Sequence[BackupSchedule]]:
    """Return the enabled schedules that back each instance up, or ``only``, by instance id."""
    enabled = BackupSchedule.objects.filter(enabled=True).select_related(PREDECESSORS)
    if only is None:
        enabled = enabled.filter(operation=Operation.BACKUP)
    if only is not None:
        enabled = enabled.filter(pk__in=[only.pk, *(before.pk for before in only.predecessors)])
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
    after = {pk: schedule.after_id for pk, schedule in schedules.items()}
    wanted = schedules.keys() if only is None else {only.pk}
    return {
        pk: [
            schedules[key]
            for key in sorted(reached((ties[pk] | general) & schedules.keys(), after) & wanted)
        ]
        for pk in ids
    }


@dataclass(frozen=True, slots=True)
class PlannedDay:
    """What is planned on a day: ``planned`` or ``paused``, and the kinds of the runs."""

    word: str
    kinds: frozenset[str]

    def __or__(self, other: PlannedDay) -> PlannedDay:
        # One schedule that is not paused makes the day planned.
        words = {self.word, other.word}
        word = "planned" if "planned" in words else self.word
        return PlannedDay(word, self.kinds | other.kinds)


def planned_days(
    schedule: BackupSchedule, days: Sequence[date], now: datetime
) -> dict[date, PlannedDay]:
    """Return on which of ``days`` a schedule runs after ``now``."""
    planned = {}
    for day in days:
        try:
            due = _next_runs(schedule, day, now)
        except BadInput:
            return {}
        if due:
            word = "paused" if schedule.paused(due[0].at) else "planned"
            kinds = () if schedule.proves else map(schedule.kind_of, due)
            planned[day] = PlannedDay(word, frozenset(kinds))
    return planned


def _next_runs(schedule: BackupSchedule, day: date, now: datetime) -> list[DueTime]:
    """Return the next run of each kind on a day."""
    after, ends = max(day_begins(day) - INSTANT, now), day_begins(day + timedelta(days=1))
    first = islice(upcoming(schedule.rhythm, after), 1)
    fulls = islice(upcoming(only_full(schedule.rhythm), after), 1) if schedule.full_cron else ()
    runs = [*first, *(replace(due, full=True) for due in fulls)]
    return [due for due in runs if due.at < ends]


def plan_days(
    coverage: Mapping[int, Sequence[BackupSchedule]], days: Sequence[date], now: datetime
) -> dict[tuple[int, date], PlannedDay]:
    """Return what is planned per instance and day; each schedule is calculated once."""
    by_schedule: dict[int, dict[date, PlannedDay]] = {}
    found: dict[tuple[int, date], PlannedDay] = {}
    for instance_id, schedules in coverage.items():
        for schedule in schedules:
            if schedule.pk not in by_schedule:
                by_schedule[schedule.pk] = planned_days(schedule, days, now)
            for day, planned in by_schedule[schedule.pk].items():
                before = found.get((instance_id, day), planned)
                found[instance_id, day] = before | planned
    return found


def day_begins(day: date) -> datetime:
    """Return the start of a day in the user's time zone."""
    return datetime(day.year, day.month, day.day, tzinfo=get_current_timezone())
