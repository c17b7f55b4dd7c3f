"""Which slots have come since the last tick, and what becomes of each?

Every slot gets its occurrences, however long no scheduler ran: those that can still run are
due, the others are missed and say why. A slot is accounted for in the same transaction that
moves the schedule's ``next_due_at`` past it, so nothing counts it twice or not at all.
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
from backups.schedule import INSTANT, Rhythm, Span, next_slot, span_of, stagger_of, upcoming
from backups.schedules.coverage import coverage_of
from backups.states import OccurrenceStatus, WaitReason
from backups.transitions.occurrences import record_occurrences

logger = logging.getLogger(__name__)

# After a year's downtime a schedule has more slots than one transaction should hold, or one
# tick should last for: the next tick goes on.
ROWS_AT_ONCE = 2_000
ROWS_PER_TICK = 20_000
SCHEDULES_AT_ONCE = 200
# A tick that comes this long after a slot is nothing to explain.
PROMPT = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Lapse:
    """Slots of one schedule that have come, the oldest first, and the one after them."""

    slots: Sequence[datetime]
    following: datetime | None

    def holds_newest(self, now: datetime) -> bool:
        return self.following is None or self.following > now


@dataclass(frozen=True, slots=True)
class Plan:
    """Where a schedule's ``next_due_at`` goes, and the occurrences of what it passes."""

    schedule: BackupSchedule
    following: datetime | None
    rows: Sequence[Occurrence]


def plan_due_schedules(now: datetime, down_since: datetime | None = None) -> int:
    """Account for every slot up to ``now``; return how many occurrences there are more."""
    written, broken = 0, dict[int, Exception]()
    while written < ROWS_PER_TICK:
        due = list(due_schedules(now).exclude(pk__in=broken)[:SCHEDULES_AT_ONCE])
        if not due:
            break
        coverage, plans = coverage_of(due), list[Plan]()
        for schedule in due:
            try:
                plans.append(plan_of(schedule, coverage[schedule.pk], now, down_since))
            except (MooringError, ArithmeticError, ValueError) as exc:
                # One that cannot be read must not keep the others waiting.
                logger.error("schedule %s cannot be planned: %s", schedule, exc)
                broken[schedule.pk] = exc
            if sum(len(plan.rows) for plan in plans) >= ROWS_AT_ONCE:
                break
        written += write_plans(plans)
    for error in broken.values():
        raise error
    return written


def due_schedules(now: datetime) -> QuerySet[BackupSchedule]:
    # The newest first: a schedule with a year to account for comes last.
    due = BackupSchedule.objects.filter(enabled=True, next_due_at__lte=now)
    return due.order_by("-next_due_at", "id")


def plan_schedule(schedule: BackupSchedule, instances: Sequence[Instance], now: datetime) -> int:
    """Account for some of one schedule's lapsed slots; 0 where somebody else has done it."""
    return write_plans([plan_of(schedule, instances, now)])


def plan_of(
    schedule: BackupSchedule,
    instances: Sequence[Instance],
    now: datetime,
    down_since: datetime | None = None,
) -> Plan:
    """Reckon what some of a schedule's lapsed slots become; nothing is written."""
    assert schedule.next_due_at is not None
    if instances:
        most = max(1, ROWS_AT_ONCE // len(instances))
        lapse = take_slots(schedule.rhythm, schedule.next_due_at, now, most)
    else:
        lapse = Lapse([], next_slot(schedule.rhythm, now))
    newest = lapse.slots[-1] if lapse.slots and lapse.holds_newest(now) else None
    birth = _Birth(schedule, now, newest, _explain(now, down_since))
    rows = [birth.of(instance, slot) for slot in lapse.slots for instance in instances]
    return Plan(schedule, lapse.following, rows)


def write_plans(plans: Sequence[Plan]) -> int:
    """Move schedules on and write what they were moved past, in one transaction."""
    rows: list[Occurrence] = []
    with transaction.atomic():
        # In one order, so that two ticks never wait for each other.
        for plan in sorted(plans, key=lambda each: each.schedule.pk):
            schedule = plan.schedule
            same = BackupSchedule.objects.filter(
                pk=schedule.pk, enabled=True, next_due_at=schedule.next_due_at
            )
            # Compare-and-swap: of ten schedulers one moves on, and writes what it moved past.
            if same.update(next_due_at=plan.following):
                rows += plan.rows
                schedule.next_due_at = plan.following
        record_occurrences(rows)
    return len(rows)


def take_slots(rhythm: Rhythm, first: datetime, now: datetime, most: int) -> Lapse:
    """Return at most ``most`` slots from ``first`` to ``now``, and where to go on."""
    slots: list[datetime] = []
    for slot in upcoming(rhythm, first - INSTANT):
        if slot.at > now or len(slots) == most:
            return Lapse(slots, slot.at)
        slots.append(slot.at)
    return Lapse(slots, None)


@dataclass(frozen=True, slots=True)
class _Birth:
    """How the occurrences of one lapse begin."""

    schedule: BackupSchedule
    now: datetime
    newest: datetime | None
    explanation: str

    def of(self, instance: Instance, slot: datetime) -> Occurrence:
        schedule = self.schedule
        offset = stagger_of(instance.uuid, schedule.pk, schedule.stagger)
        span = span_of(slot + offset, schedule.grace, schedule.window)
        # Somebody else's cron ran meanwhile: the tool's history will tell.
        if schedule.origin == Origin.OBSERVED or self.now < span.missed_after:
            return self._due(instance, slot, span)
        if slot == self.newest and schedule.catch_up == CatchUp.ONCE:
            opens_at = self.now + offset
            fresh = Span(opens_at, span.late_after, opens_at + schedule.window)
            return self._due(instance, slot, fresh)
        return self._missed(instance, slot, span)

    def _due(self, instance: Instance, slot: datetime, span: Span) -> Occurrence:
        detail = "" if self.now - slot <= PROMPT else self.explanation
        return self._row(instance, slot, span, detail=detail, next_look_at=span.starts_at)

    def _missed(self, instance: Instance, slot: datetime, span: Span) -> Occurrence:
        paused_at = self.schedule.paused_at
        paused = self.schedule.paused(slot) and paused_at is not None and paused_at <= slot
        return self._row(
            instance,
            slot,
            span,
            status=OccurrenceStatus.MISSED,
            reason=WaitReason.PAUSED if paused else WaitReason.SCHEDULER_DOWN,
            detail=self.schedule.paused_reason if paused else self.explanation,
            ended_at=self.now,
        )

    def _row(self, instance: Instance, slot: datetime, span: Span, **values: object) -> Occurrence:
        return Occurrence(
            schedule=self.schedule,
            instance=instance,
            due_at=slot,
            starts_at=span.starts_at,
            late_after=span.late_after,
            missed_after=span.missed_after,
            status_since=self.now,
            **values,
        )


def _explain(now: datetime, down_since: datetime | None) -> str:
    until = f"{now:%Y-%m-%d %H:%M:%S}Z"
    if down_since is None:
        return f"the scheduler came to it at {until}"
    return f"the scheduler was not running from {down_since:%Y-%m-%d %H:%M:%S}Z to {until}"
