"""Which due times have passed since the last tick, and what happens to each?

Every due time gets its occurrences, however long no scheduler ran: those that can still run are
due, the others are missed, with the reason. A due time is planned in the same transaction that
advances the schedule's ``next_due_at`` past it, so none is planned twice or left out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from backups.exceptions import MooringError
from backups.models import BackupSchedule, Instance, Occurrence
from backups.models.catalog import Origin
from backups.models.schedule import CatchUp
from backups.schedule import (
    INSTANT,
    DueTime,
    Rhythm,
    Span,
    next_due_time,
    span_of,
    stagger_of,
    upcoming,
)
from backups.schedules.choosing import choose_proven
from backups.schedules.coverage import coverage_of
from backups.states import OccurrenceStatus, ProofChoice, WaitReason
from backups.transitions.occurrences import record_occurrences

logger = logging.getLogger(__name__)

# After a year's downtime a schedule has more due times than one transaction should hold, or one
# tick should take: the next tick continues.
ROWS_AT_ONCE = 2_000
ROWS_PER_TICK = 20_000
SCHEDULES_AT_ONCE = 200
# A tick that comes this long after a due time needs no explanation.
PROMPT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Backlog:
    """Passed due times of one schedule, the oldest first, and the one after them."""

    times: Sequence[DueTime]
    following: datetime | None

    def holds_newest(self, now: datetime) -> bool:
        return self.following is None or self.following > now


@dataclass(frozen=True, slots=True)
class ScheduleAdvance:
    """The new ``next_due_at`` of a schedule, and the occurrences planned up to it."""

    schedule: BackupSchedule
    following: datetime | None
    rows: Sequence[Occurrence]


def plan_due_schedules(now: datetime, down_since: datetime | None = None) -> int:
    """Account for every due time up to ``now``; return how many occurrences were added."""
    written, broken = 0, dict[int, Exception]()
    while written < ROWS_PER_TICK:
        due = list(due_schedules(now).exclude(pk__in=broken)[:SCHEDULES_AT_ONCE])
        if not due:
            break
        coverage, plans = coverage_of(due), list[ScheduleAdvance]()
        for schedule in due:
            try:
                plans.append(plan_of(schedule, coverage[schedule.pk], now, down_since))
            except (MooringError, ArithmeticError, ValueError) as exc:
                # One invalid schedule must not block the others.
                logger.error(
                    "schedule %s cannot be planned: %s",
                    schedule,
                    exc,
                    extra={"action": "planning_failed", "schedule": schedule.name},
                )
                broken[schedule.pk] = exc
            if sum(len(plan.rows) for plan in plans) >= ROWS_AT_ONCE:
                break
        written += write_plans(plans)
    for error in broken.values():
        raise error
    return written


def due_schedules(now: datetime) -> QuerySet[BackupSchedule]:
    # The newest first: a schedule with a backlog of a year comes last.
    due = BackupSchedule.objects.filter(enabled=True, next_due_at__lte=now)
    return due.order_by("-next_due_at", "id")


def plan_schedule(schedule: BackupSchedule, instances: Sequence[Instance], now: datetime) -> int:
    """Account for some of one schedule's passed due times; 0 if another process did."""
    return write_plans([plan_of(schedule, instances, now)])


def plan_of(
    schedule: BackupSchedule,
    instances: Sequence[Instance],
    now: datetime,
    down_since: datetime | None = None,
) -> ScheduleAdvance:
    """Compute the occurrences of some passed due times of a schedule; writes nothing."""
    assert schedule.next_due_at is not None
    if instances:
        most = max(1, ROWS_AT_ONCE // len(instances))
        backlog = take_due_times(schedule.rhythm, schedule.next_due_at, now, most)
    else:
        backlog = Backlog([], next_due_time(schedule.rhythm, now))
    newest = backlog.times[-1].at if backlog.times and backlog.holds_newest(now) else None
    builder = OccurrenceBuilder(schedule, now, newest, explain(now, down_since))
    if schedule.proves and schedule.proof_choice != ProofChoice.EACH:
        # Whoever is chosen is chosen now: of earlier due times nothing is known.
        chosen = _chosen(builder, backlog.times[-1], instances) if newest else []
        return ScheduleAdvance(schedule, backlog.following, chosen)
    rows = [builder.of(instance, due) for due in backlog.times for instance in instances]
    return ScheduleAdvance(schedule, backlog.following, rows)


def _chosen(
    builder: OccurrenceBuilder, due: DueTime, instances: Sequence[Instance]
) -> list[Occurrence]:
    """Return the runs of those whom a schedule proves now, and of those whom it cannot."""
    choice = choose_proven(builder.schedule, instances, due.at)
    return [
        *(builder.of(instance, due) for instance in choice.chosen),
        *(builder.refused(instance, due, why) for instance, why in choice.too_large),
    ]


def write_plans(plans: Sequence[ScheduleAdvance]) -> int:
    """Advance schedules and write the occurrences they passed, in one transaction."""
    rows: list[Occurrence] = []
    with transaction.atomic():
        # In one order, so that two ticks never deadlock.
        for plan in sorted(plans, key=lambda planned: planned.schedule.pk):
            schedule = plan.schedule
            same = BackupSchedule.objects.filter(
                pk=schedule.pk, enabled=True, next_due_at=schedule.next_due_at
            )
            # Compare-and-swap: of several schedulers one advances it and writes its occurrences.
            if same.update(next_due_at=plan.following):
                rows += plan.rows
                schedule.next_due_at = plan.following
        record_occurrences(rows)
    return len(rows)


def take_due_times(rhythm: Rhythm, first: datetime, now: datetime, most: int) -> Backlog:
    """Return at most ``most`` due times from ``first`` to ``now``, and the next one."""
    times: list[DueTime] = []
    for due in upcoming(rhythm, first - INSTANT):
        if due.at > now or len(times) == most:
            return Backlog(times, due.at)
        times.append(due)
    return Backlog(times, None)


@dataclass(frozen=True, slots=True)
class OccurrenceBuilder:
    """Builds the occurrences of due times that have passed."""

    schedule: BackupSchedule
    now: datetime
    newest: datetime | None
    explanation: str

    def of(self, instance: Instance, due: DueTime) -> Occurrence:
        schedule = self.schedule
        offset = stagger_of(instance.uuid, schedule.pk, schedule.stagger)
        span = span_of(due.at + offset, schedule.grace, schedule.window)
        # Another scheduler may have run it: the tool's history will show.
        if schedule.origin == Origin.OBSERVED or self.now < span.missed_after:
            return self._due(instance, due, span)
        if due.at == self.newest and schedule.catch_up == CatchUp.ONCE:
            opens_at = self.now + offset
            fresh = Span(opens_at, span.late_after, opens_at + schedule.window)
            return self._due(instance, due, fresh)
        return self._missed(instance, due, span)

    def _due(self, instance: Instance, due: DueTime, span: Span) -> Occurrence:
        detail = "" if self.now - due.at <= PROMPT else self.explanation
        return self.row(instance, due, span, detail=detail, next_check_at=span.starts_at)

    def _missed(self, instance: Instance, due: DueTime, span: Span) -> Occurrence:
        paused_at = self.schedule.paused_at
        paused = self.schedule.paused(due.at) and paused_at is not None and paused_at <= due.at
        return self.row(
            instance,
            due,
            span,
            status=OccurrenceStatus.MISSED,
            reason=WaitReason.PAUSED if paused else WaitReason.SCHEDULER_DOWN,
            detail=self.schedule.paused_reason if paused else self.explanation,
            ended_at=self.now,
        )

    def refused(self, instance: Instance, due: DueTime, why: str) -> Occurrence:
        """Build one that ends at once: the schedule's own rule excludes it."""
        return self.row(
            instance,
            due,
            span_of(due.at, self.schedule.grace, self.schedule.window),
            status=OccurrenceStatus.REFUSED,
            reason=WaitReason.NO_RESULT,
            detail=why,
            ended_at=self.now,
        )

    def row(self, instance: Instance, due: DueTime, span: Span, **values: object) -> Occurrence:
        """Build an occurrence, due unless ``values`` say otherwise."""
        return Occurrence(
            schedule=self.schedule,
            instance=instance,
            kind=self.schedule.kind_of(due),
            due_at=due.at,
            starts_at=span.starts_at,
            late_after=span.late_after,
            missed_after=span.missed_after,
            status_since=self.now,
            **values,
        )


def explain(now: datetime, down_since: datetime | None) -> str:
    """Return why a due time is planned long after it."""
    until = f"{now:%Y-%m-%d %H:%M:%S}Z"
    if down_since is None:
        return f"the scheduler planned it at {until}"
    return f"the scheduler was not running from {down_since:%Y-%m-%d %H:%M:%S}Z to {until}"
