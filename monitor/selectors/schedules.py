"""Which schedules are there, when do they run next, and how punctual were they?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.core.paginator import Page, Paginator
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import QueryDict
from django.utils.timezone import localdate

from backups.models import BackupSchedule, Instance, Occurrence
from backups.models.schedule import PREDECESSORS
from backups.schedules.coverage import count_covered, uncovered_instances
from backups.states import OPEN_OCCURRENCE_STATUSES
from monitor.wording.occurrences import NOT_ON_TIME, counted, word_of, worst
from monitor.wording.rhythms import rhythm_in_words

PAGE_SIZE = 20
DAYS = 30
# Further names are only counted.
MOST_NAMED = 8

Days = Mapping[date, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class DaySquare:
    """One day of a schedule: its worst result, and the counts of all."""

    day: date
    word: str
    counts: str
    # The share of runs that were not on time, from 0 to 3.
    share: int


@dataclass(frozen=True, slots=True)
class PunctualityRecord:
    """The results of the last 30 days."""

    squares: Sequence[DaySquare]
    counts: Mapping[str, int]

    @property
    def percent_on_time(self) -> int | None:
        """Rounded down: 100 only if no run was late. None before the first run."""
        ended = sum(self.counts.get(word, 0) for word in ("done", *NOT_ON_TIME))
        return self.counts.get("done", 0) * 100 // ended if ended else None

    @property
    def words(self) -> str:
        return counted(self.counts) or "no runs yet"


@dataclass(frozen=True, slots=True)
class LastResult:
    """The results of the newest due time."""

    due_at: datetime
    word: str
    counts: str


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """One schedule in the list."""

    schedule: BackupSchedule
    covered_count: int
    punctuality: PunctualityRecord
    last: LastResult | None
    now: datetime

    @property
    def state(self) -> str:
        if not self.schedule.enabled or self.schedule.stopped_by is not None:
            return "disabled"
        return "paused" if self.schedule.paused(self.now) else "enabled"

    @property
    def rhythm(self) -> str:
        return self.schedule.chain_words or rhythm_in_words(self.schedule.rhythm)


@dataclass(frozen=True, slots=True)
class ScheduleList:
    """The page of schedules."""

    page: Page[BackupSchedule]
    rows: Sequence[ScheduleRow]
    uncovered_count: int
    uncovered: Sequence[Instance]


def load_schedules(query: QueryDict, now: datetime) -> ScheduleList:
    """Load one page of the schedules, by name."""
    schedules = with_newest(BackupSchedule.objects.all(), now)
    if word := query.get("q", "").strip():
        schedules = schedules.filter(name__icontains=word)
    page = Paginator(schedules, PAGE_SIZE).get_page(query.get("page"))
    uncovered = uncovered_instances()
    return ScheduleList(
        page, build_rows(list(page), now), uncovered.count(), list(uncovered[:MOST_NAMED])
    )


def with_newest(schedules: QuerySet[BackupSchedule], now: datetime) -> QuerySet[BackupSchedule]:
    """Annotate the newest due time with an ended run."""
    ended = Occurrence.objects.filter(schedule=OuterRef("pk"), due_at__gt=now - timedelta(DAYS))
    ended = ended.exclude(status__in=OPEN_OCCURRENCE_STATUSES).order_by("-due_at")
    schedules = schedules.select_related(PREDECESSORS)
    return schedules.annotate(newest_due_at=Subquery(ended.values("due_at")[:1]))


def build_rows(schedules: Sequence[BackupSchedule], now: datetime) -> list[ScheduleRow]:
    """Build the rows of schedules read through ``with_newest``."""
    covered = count_covered(schedules)
    days = load_days(schedules, now)
    results = _load_results(schedules)
    return [
        ScheduleRow(
            schedule, covered[schedule.pk], punctuality_of(days[schedule.pk]),
            results.get(schedule.pk), now,
        )
        for schedule in schedules
    ]  # fmt: skip


def load_days(schedules: Sequence[BackupSchedule], now: datetime) -> dict[int, Days]:
    """Count the results of the last 30 days, in the user's time zone, in one query."""
    first = localdate(now) - timedelta(days=DAYS - 1)
    counts: dict[int, dict[date, Counter[str]]] = {
        schedule.pk: {first + timedelta(days=n): Counter() for n in range(DAYS)}
        for schedule in schedules
    }
    recent = Occurrence.objects.filter(
        schedule__in=schedules, due_at__gt=now - timedelta(days=DAYS + 1), due_at__lte=now
    )
    # Grouped by slot, which all instances of a schedule share: the index has that order, and
    # SQLite would call Python for the day of every run.
    grouped = recent.order_by().values_list("schedule", "due_at", "status")
    for pk, due_at, status, count, late in grouped.annotate(Count("id"), late=Count("late_at")):
        day = localdate(due_at)
        if day in counts[pk]:
            counts[pk][day][word_of(status, late=False)] += count - late
            counts[pk][day][word_of(status, late=True)] += late
    return dict(counts)


def punctuality_of(days: Days) -> PunctualityRecord:
    total: Counter[str] = Counter()
    for counts in days.values():
        total.update(counts)
    return PunctualityRecord([_square(day, counts) for day, counts in sorted(days.items())], total)


def _square(day: date, counts: Mapping[str, int]) -> DaySquare:
    word = worst(word for word, count in counts.items() if count)
    bad = sum(counts.get(word, 0) for word in NOT_ON_TIME)
    all_runs = sum(counts.values())
    # One late run of a hundred has to be visible, but different from all being late.
    share = 0 if not bad else 1 + (bad * 10 >= all_runs) + (bad * 3 >= all_runs)
    return DaySquare(day, word, counted(counts), share)


def _load_results(schedules: Sequence[BackupSchedule]) -> dict[int, LastResult]:
    # The annotation of with_newest.
    newest = {row.pk: at for row in schedules if (at := getattr(row, "newest_due_at", None))}
    newest_runs = Q(pk__in=[])
    for pk, due_at in newest.items():
        newest_runs |= Q(schedule=pk, due_at=due_at)
    grouped = Occurrence.objects.filter(newest_runs).order_by().values_list("schedule", "status")
    counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for pk, status, count, late in grouped.annotate(Count("id"), late=Count("late_at")):
        counts[pk][word_of(status, late=False)] += count - late
        counts[pk][word_of(status, late=True)] += late
    return {
        pk: LastResult(newest[pk], worst(word for word, n in words.items() if n), counted(words))
        for pk, words in counts.items()
    }
