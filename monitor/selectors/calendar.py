"""Which instances were backed up on which days, and which backups are planned?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils.timezone import localdate

from backups.models import Backup, BackupSchedule, Instance, Job, Occurrence
from backups.schedules.coverage import covered_instances
from backups.states import BackupKind, Operation
from monitor.selectors.planned import (
    PlannedDay,
    day_begins,
    plan_days,
    planned_days,
    schedules_of,
)
from monitor.selectors.schedule import OccurrenceRow
from monitor.wording.kinds import kind_in_words, kinds_in_words
from monitor.wording.occurrences import counted, word_of, worst

# With more rows, long names and many words make the page too large.
PAGE_SIZE = 12
DAYS_BACK = 30
DAYS_AHEAD = 7
FULL_WORD = kind_in_words(BackupKind.FULL)


@dataclass(frozen=True, slots=True)
class Record:
    """What ran, by instance and day: how many with each result, and the planned kinds."""

    counts: Mapping[tuple[int, date], Counter[str]]
    kinds: Mapping[tuple[int, date], set[str]]


@dataclass(frozen=True, slots=True)
class Cell:
    """One instance on one day; the word is blank on a day without runs."""

    day: date
    word: str
    counts: str
    # The planned kinds of its runs, in words; blank if they are not known.
    kinds: str = ""
    # A full backup, of an instance that has other kinds of runs as well.
    full: bool = False


@dataclass(frozen=True, slots=True)
class CalendarRow:
    instance: Instance
    cells: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Calendar:
    """One page of instances, and the days around today."""

    page: Page[Instance]
    days: Sequence[date]
    today: date
    rows: Sequence[CalendarRow]

    @property
    def shows_fulls(self) -> bool:
        return any(cell.full for row in self.rows for cell in row.cells)


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """The past and planned runs of one instance on one day."""

    occurrences: Sequence[OccurrenceRow]
    jobs: Sequence[Job]
    backups: Sequence[Backup]
    # Schedules with runs planned on that day, and the kinds of these.
    planned: Sequence[tuple[BackupSchedule, str]]


# Any: what a filter form has chosen.
def load_calendar(chosen: Mapping[str, Any], page: str | None, now: datetime) -> Calendar:
    """Load one page of the calendar, in a fixed number of queries."""
    only: BackupSchedule | None = chosen["schedule"]
    shown = Paginator(_instances(chosen), PAGE_SIZE).get_page(page)
    today = localdate(now)
    first = today - timedelta(days=DAYS_BACK - 1)
    days = [first + timedelta(days=n) for n in range(DAYS_BACK + DAYS_AHEAD)]
    instances = list(shown)
    record = _load_days(instances, days, only)
    ahead = plan_days(schedules_of(instances, only), days[DAYS_BACK - 1 :], now)
    rows = [
        CalendarRow(instance, _mark_fulls([_cell(instance, day, record, ahead) for day in days]))
        for instance in instances
    ]
    return Calendar(shown, days, today, rows)


def load_day(instance: Instance, day: date, now: datetime) -> CalendarDay:
    """Load one day of an instance, in the user's time zone."""
    within = (day_begins(day), day_begins(day + timedelta(days=1)))
    occurrences = Occurrence.objects.filter(instance=instance, due_at__range=within)
    jobs = Job.objects.filter(instance=instance, requested_at__range=within)
    backups = Backup.objects.filter(instance=instance, ended_at__range=within)
    coverage = schedules_of([instance]).get(instance.pk, ())
    return CalendarDay(
        [OccurrenceRow(occurrence) for occurrence in occurrences.select_related("schedule", "job")],
        list(jobs.select_related("requested_by", "product").order_by("-id")[:100]),
        list(backups.order_by("-ended_at")[:100]),
        [
            (schedule, kinds_in_words(planned[day].kinds))
            for schedule in coverage
            if (planned := planned_days(schedule, [day], now))
        ],
    )


def _instances(chosen: Mapping[str, Any]) -> QuerySet[Instance]:
    instances = Instance.objects.order_by("name")
    if schedule := chosen["schedule"]:
        # Instances that it covered earlier have a history as well.
        earlier = Occurrence.objects.filter(schedule=schedule).values("instance")
        covered = covered_instances(schedule).order_by().values("pk")
        instances = instances.filter(Q(pk__in=covered) | Q(pk__in=earlier))
    if chosen["group"]:
        instances = instances.filter(groups=chosen["group"])
    if chosen["tag"]:
        instances = instances.filter(tags=chosen["tag"])
    if chosen["q"]:
        instances = instances.filter(name__icontains=chosen["q"].strip())
    return instances


_WITH_PROBLEMS = Q(job__isnull=False) & ~Q(job__problems="")


def _load_days(
    instances: Sequence[Instance], days: Sequence[date], only: BackupSchedule | None
) -> Record:
    ids = [instance.pk for instance in instances]
    counts: defaultdict[tuple[int, date], Counter[str]] = defaultdict(Counter)
    kinds: defaultdict[tuple[int, date], set[str]] = defaultdict(set)
    within = (day_begins(days[0]), day_begins(days[-1] + timedelta(days=1)))
    occurrences = Occurrence.objects.filter(instance__in=ids, due_at__range=within)
    if only is None:
        occurrences = occurrences.filter(schedule__operation=Operation.BACKUP)
    else:
        occurrences = occurrences.filter(schedule=only)
    grouped = occurrences.order_by().annotate(day=TruncDate("due_at")).values_list(
        "instance", "day", "status", "kind"
    )  # fmt: skip
    counted = grouped.annotate(
        Count("id"),
        late=Count("late_at", filter=~_WITH_PROBLEMS),
        problems=Count("id", filter=_WITH_PROBLEMS),
    )
    for pk, day, status, kind, count, late, problems in counted:
        if only is None or not only.proves:
            kinds[pk, day].add(kind)
        counts[pk, day][word_of(status, late=False)] += count - late - problems
        counts[pk, day][word_of(status, late=True)] += late
        counts[pk, day][word_of(status, late=False, problems=True)] += problems
    if only is None:
        _add_unplanned(counts, ids, within)
    return Record(counts, kinds)


def _add_unplanned(
    counts: defaultdict[tuple[int, date], Counter[str]],
    ids: Sequence[int],
    within: tuple[datetime, datetime],
) -> None:
    """Count backups outside of any schedule, managed or observed."""
    backups = Backup.objects.filter(instance__in=ids, ended_at__range=within)
    backups = backups.filter(Q(made_by=None) | Q(made_by__occurrence=None))
    grouped = backups.order_by().annotate(day=TruncDate("ended_at")).values_list("instance", "day")
    for pk, day, count in grouped.annotate(Count("id")):
        counts[pk, day]["unplanned"] += count


def _cell(
    instance: Instance, day: date, record: Record, ahead: Mapping[tuple[int, date], PlannedDay]
) -> Cell:
    key = (instance.pk, day)
    kinds = frozenset(record.kinds.get(key, ()))
    words = record.counts.get(key, Counter())
    if word := worst(word for word, count in words.items() if count):
        return Cell(day, word, counted(words), kinds_in_words(kinds), BackupKind.FULL in kinds)
    if (planned := ahead.get(key)) is None:
        return Cell(day, "", "")
    full = BackupKind.FULL in planned.kinds
    return Cell(day, planned.word, "", kinds_in_words(planned.kinds), full)


def _mark_fulls(cells: Sequence[Cell]) -> list[Cell]:
    """Mark the full backups only where there are other kinds as well."""
    others = any(cell.kinds not in ("", FULL_WORD) for cell in cells)
    return [cell if others else replace(cell, full=False) for cell in cells]
