"""What is known of one schedule: its instances, its next runs, its history?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import QueryDict

from backups.exceptions import BadInput
from backups.models import BackupSchedule, Instance, InstanceGroup, Occurrence, Tag
from backups.models.schedule import PREDECESSORS, WhenUnfit
from backups.retention.verdicts import policy_of
from backups.schedule import DueTime, Rhythm, check_rhythm, preview
from backups.schedules.copies import window_of
from backups.schedules.coverage import covered_instances, uncovered_instances
from backups.schedules.forecasts import RunToCome
from backups.states import AUTO, BackupKind, OccurrenceStatus
from backups.table_names.choice import choice_in_words
from monitor.selectors.chained import ChainOfSchedules, followed_slots, load_chain
from monitor.selectors.forecasts import Forecasts, forecasts_of_draft, forecasts_of_schedule
from monitor.selectors.schedules import ScheduleRow, build_rows, with_newest
from monitor.wording.kinds import kind_in_words
from monitor.wording.lengths import format_configured_length
from monitor.wording.occurrences import occurrence_word

PAGE_SIZE = 20
COVERED_SIZE = 24
SLOTS = 10
MOST_NAMED = 12
# A year of a daily schedule.
RUNS_COMPARED = 366


@dataclass(frozen=True, slots=True)
class OccurrenceRow:
    """One planned run in a table."""

    occurrence: Occurrence

    @property
    def word(self) -> str:
        return occurrence_word(self.occurrence)

    @property
    def why(self) -> str:
        """The reason it waited or did not run; blank without one."""
        return self.occurrence.get_reason_display() if self.occurrence.reason else ""

    @property
    def kind(self) -> str:
        """The planned kind, or what is proven."""
        if self.occurrence.schedule.proves:
            return str(self.occurrence.schedule.get_operation_display())
        return kind_in_words(self.occurrence.kind)

    @property
    def kind_reason(self) -> str:
        """Why its job takes another kind than planned, or what was due; blank without one."""
        job = self.occurrence.job
        return f"{kind_in_words(job.kind)}: {job.kind_reason}" if job and job.kind_reason else ""

    @property
    def waited(self) -> timedelta | None:
        """How long after the due time the last attempt started; never negative."""
        job = self.occurrence.job
        if job is None or job.started_at is None:
            return None
        return max(job.started_at - self.occurrence.due_at, timedelta(0))


@dataclass(frozen=True, slots=True)
class ScheduleView:
    """The page of one schedule."""

    row: ScheduleRow
    slots: Sequence[DueTime]
    covered: Page[Instance]
    history: Page[Occurrence]
    occurrences: Sequence[OccurrenceRow]
    chain: ChainOfSchedules
    # Of the covered instances on the page.
    forecasts: Forecasts
    # The status filter of the history; blank for all.
    status: str

    @property
    def chosen(self) -> str:
        """Which tables its backups have; blank: all."""
        schedule = self.row.schedule
        partial = schedule.kind == BackupKind.PARTIAL
        return choice_in_words(schedule.options) if partial else ""

    @property
    def increments(self) -> str:
        """What its partial backups store; blank for others."""
        schedule = self.row.schedule
        if schedule.kind != BackupKind.PARTIAL or not schedule.stores_increments:
            return ""
        return (
            "what changed since the newest one of these tables; one that stands alone after "
            f"{settings.MOST_LINKS} of them, after {settings.AUTO_FULL_DAYS} days, or where they "
            "save little"
        )

    @property
    def skips_unfit(self) -> bool:
        return self.row.schedule.when_unfit == WhenUnfit.SKIP


@dataclass(frozen=True, slots=True)
class Preview:
    """What a schedule would do as entered."""

    slots: Sequence[DueTime]
    # Why there are none; blank if there are.
    fault: str
    covered_count: int
    covered: Sequence[Instance]
    uncovered_count: int
    uncovered: Sequence[Instance]
    # The time zone of the slots, and the kind of those that are not of full backups.
    zone: str
    kind: str
    # What else follows from the rhythm; blank if nothing does.
    note: str
    chain: ChainOfSchedules
    # Of the covered instances that are named.
    forecasts: Forecasts


def load_schedule(name: str, query: QueryDict, now: datetime) -> ScheduleView | None:
    """Load the page of a schedule; None if it does not exist."""
    schedules = with_newest(BackupSchedule.objects.filter(name=name), now)
    schedule = schedules.select_related("paused_by", PREDECESSORS).prefetch_related(
        "groups", "tags", "repositories", "copy_to"
    ).first()  # fmt: skip
    if schedule is None:
        return None
    status = query.get("status", "")
    history = _history(schedule, status if status in OccurrenceStatus.values else "")
    page = Paginator(history, PAGE_SIZE).get_page(query.get("page"))
    covered = Paginator(covered_instances(schedule).order_by("name"), COVERED_SIZE)
    instances = covered.get_page(query.get("covered"))
    slots = preview_rhythm(schedule.rhythm, now)[0]
    forecast = schedule.enabled and not schedule.proves
    return ScheduleView(
        row=build_rows([schedule], now)[0],
        slots=_shown_slots(schedule, slots),
        forecasts=forecasts_of_schedule(schedule, list(instances) if forecast else [], now),
        chain=load_chain(schedule.after, covered_instances(schedule), schedule.pk),
        covered=instances,
        history=page,
        occurrences=[OccurrenceRow(occurrence) for occurrence in page],
        status=status if status in OccurrenceStatus.values else "",
    )


def _shown_slots(schedule: BackupSchedule, slots: Sequence[DueTime]) -> Sequence[DueTime]:
    if not schedule.enabled or schedule.stopped_by is not None:
        return []
    return slots if schedule.after is None else followed_slots(slots)


def retention_in_words(schedule: BackupSchedule) -> str:
    return f"{_kept_in_words(schedule)} {_consolidated_in_words(schedule)}".strip()


def copied_to_in_words(schedule: BackupSchedule) -> str:
    """Return where its backups are copied to, and when; blank for nowhere."""
    names = ", ".join(repository.name for repository in schedule.copy_to.all())
    return f"{names}, {window_of(schedule)}" if names else ""


def _consolidated_in_words(schedule: BackupSchedule) -> str:
    if schedule.consolidate_after is None:
        return ""
    count = schedule.consolidate_after
    backups = f"{count} backup{'' if count == 1 else 's'}"
    return f"A chain is consolidated once it has {backups} after its full one."


def _kept_in_words(schedule: BackupSchedule) -> str:
    policy = policy_of(schedule, "", schedule.time_zone)
    if policy.keeps_everything:
        return "Backups are kept for ever."
    kept = [] if policy.keep_for is None else [f"for {format_configured_length(policy.keep_for)}"]
    if policy.keep_chains:
        kept.append(f"of the newest {policy.keep_chains} chains")
    kept += [f"{count} {kind}" for kind, count in policy.periods.counts().items() if count]
    return (
        f"Backups are kept {', '.join(kept)}; the newest {policy.keep_least} per instance are kept "
        "at any age."
    )


def preview_rhythm(rhythm: Rhythm, now: datetime) -> tuple[Sequence[DueTime], str]:
    """Return the next slots, or none and the reason."""
    if bool(rhythm.cron) == (rhythm.every_hours is not None):
        return [], (
            "Enter either a cron expression or every N hours, or choose the schedule to run after."
        )
    try:
        check_rhythm(rhythm)
        return preview(rhythm, now, SLOTS), ""
    except BadInput as exc:
        text = str(exc)
        return [], f"{text[:1].upper()}{text[1:]}. {exc.hint}".strip()


def draft_coverage(
    *,
    every: bool,
    groups: Sequence[InstanceGroup],
    tags: Sequence[Tag],
    instances: Sequence[Instance],
) -> QuerySet[Instance]:
    """Return the enabled instances a schedule would cover."""
    enabled = Instance.objects.filter(enabled=True).order_by("name")
    if every:
        return enabled
    # Subqueries instead of joins: an instance in two groups is counted once.
    in_groups = Instance.groups.through.objects.filter(instancegroup__in=groups)
    with_tags = Instance.tags.through.objects.filter(tag__in=tags)
    return enabled.filter(
        Q(pk__in=[instance.pk for instance in instances])
        | Q(pk__in=in_groups.values("instance"))
        | Q(pk__in=with_tags.values("instance"))
    )


def build_preview(
    rhythm: Rhythm,
    kind: str,
    covered: QuerySet[Instance],
    *,
    after: BackupSchedule | None = None,
    window: timedelta | None = None,
    own: int | None,
    enabled: bool,
    proves: bool = False,
    now: datetime,
) -> Preview:
    """Return the planned runs, and the instances that would have no schedule of backups."""
    if after is not None:
        rhythm = after.rhythm
    slots, fault = preview_rhythm(rhythm, now)
    chain = load_chain(after, covered, own)
    if after is not None:
        slots = [] if chain.stopped_by else followed_slots(slots)
    uncovered = uncovered_instances(besides=own)
    if enabled and after is None and not proves:
        uncovered = uncovered.exclude(pk__in=covered.order_by().values("pk"))
    named = list(covered[:MOST_NAMED])
    due_kind = BackupKind.FULL if slots and slots[0].full else kind
    forecast = named if window and not proves else []
    runs = [RunToCome(instance.pk, due_kind, window) for instance in forecast if window]
    return Preview(
        slots, fault,
        covered.count(), named,
        uncovered.count(), list(uncovered[:MOST_NAMED]),
        rhythm.time_zone, kind,
        "" if fault or proves else _note_on_chains(rhythm, kind, now),
        chain, forecasts_of_draft(runs, forecast, now),
    )  # fmt: skip


def _note_on_chains(rhythm: Rhythm, kind: str, now: datetime) -> str:
    """Name the full backups that no time is entered for."""
    most = settings.MOST_LINKS
    if kind == AUTO:
        return (
            "A full backup is taken where there is nothing to go on from, after "
            f"{most} incremental ones, after {settings.AUTO_FULL_DAYS} days, or where increments "
            "save little."
        )
    if kind != BackupKind.INCREMENTAL or _longest_chain(rhythm, now, most) <= most:
        return ""
    return f"After {most} incremental backups (MOORING_MOST_LINKS) the next one is a full one."


def _longest_chain(rhythm: Rhythm, now: datetime, most: int) -> int:
    """Return how many runs in a row are of no full backup, as far as is of interest."""
    longest = chain = 0
    for due in preview(rhythm, now, RUNS_COMPARED):
        chain = 0 if due.full else chain + 1
        longest = max(longest, chain)
        if longest > most:
            break
    return longest


def _history(schedule: BackupSchedule, status: str) -> QuerySet[Occurrence]:
    history = Occurrence.objects.filter(schedule=schedule)
    history = history.select_related("schedule", "instance", "job")
    return history.filter(status=status) if status else history
