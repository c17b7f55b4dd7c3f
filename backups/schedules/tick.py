"""The tick of the schedules: what is due is started, followed, and accounted for.

Only occurrences whose ``next_look_at`` has come are looked at, so that a tick costs what is
due, however large the fleet. A batch is decided and written in one transaction, jobs included:
a crash between any two statements leaves what the next tick begins with.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction

from backups.health.heartbeats import note_run, silent_since
from backups.jobs.cancel import request_cancel
from backups.models import Occurrence
from backups.models.catalog import Origin
from backups.schedules.blockers import repositories_of
from backups.schedules.context import (
    Surroundings,
    expected_run,
    load_surroundings,
    lock_limited_schedules,
)
from backups.schedules.decide import decide
from backups.schedules.due import plan_due_schedules
from backups.schedules.jobs import Wanted, create_scheduled_jobs
from backups.schedules.matching import meet_open
from backups.schedules.pauses import end_pauses
from backups.schedules.steps import Act, Step, nearest
from backups.states import BackupKind, JobStatus
from backups.transitions.jobs import Outcome, end
from backups.transitions.occurrences import move_occurrence

logger = logging.getLogger(__name__)

TICK = "plan occurrences"
BATCH = 200
# What is more than this is left to the next tick.
LOOKS_PER_TICK = 5_000
# One that cannot be decided must not come first again in every tick.
POSTPONED = timedelta(minutes=1)


class LostRace(Exception):
    """Another tick has moved what this one was about to move."""


@dataclass(slots=True)
class _Batch:
    """What one transaction writes."""

    around: Surroundings
    wanted: list[tuple[Wanted, Step]] = field(default_factory=list)


def plan_occurrences(now: datetime) -> None:
    """Do all that is due at ``now``. Safe to run late, twice, and beside itself."""
    down_since = silent_since(TICK, now)
    end_pauses(now)
    planning: Exception | None = None
    try:
        plan_due_schedules(now, down_since)
    except Exception as exc:
        # One schedule that cannot be planned keeps nobody from what is due already.
        planning = exc
    look_at_due(now, down_since)
    if planning is not None:
        # Nobody may take this for a time in which no scheduler ran: windows would open anew.
        note_run(TICK, now)
        raise planning


def look_at_due(now: datetime, down_since: datetime | None = None) -> int:
    """Decide about every occurrence whose time to be looked at has come; return how many."""
    looked = 0
    while looked < LOOKS_PER_TICK:
        due = Occurrence.objects.filter(next_look_at__lte=now).order_by("next_look_at", "id")
        batch = list(due.values_list("pk", flat=True)[:BATCH])
        if not batch:
            break
        looked += len(batch)
        if not _try(batch, now, down_since):
            _one_by_one(batch, now, down_since)
    return looked


def _try(batch: Sequence[int], now: datetime, down_since: datetime | None) -> bool:
    try:
        with transaction.atomic():
            _look(batch, now, down_since)
    except (OperationalError, InterfaceError):
        # The database itself is away: nothing to do with any of these.
        raise
    except LostRace:
        logger.info("another tick moved an occurrence of this batch: looking again")
        return False
    except Exception:
        logger.exception("a batch of %d occurrences could not be decided", len(batch))
        return False
    return True


def _one_by_one(batch: Sequence[int], now: datetime, down_since: datetime | None) -> None:
    for pk in batch:
        if not _try([pk], now, down_since):
            Occurrence.objects.filter(pk=pk, next_look_at__lte=now).update(
                next_look_at=now + POSTPONED
            )


def _look(batch: Sequence[int], now: datetime, down_since: datetime | None) -> None:
    rows = Occurrence.objects.select_for_update(of=("self",), skip_locked=True)
    rows = rows.filter(pk__in=batch, next_look_at__lte=now)
    occurrences = list(rows.select_related("schedule", "instance", "job__instance"))
    # Fulls first: where a full and an incremental are due together, the full goes ahead.
    occurrences.sort(
        key=lambda each: (each.schedule.kind != BackupKind.FULL, each.starts_at, each.pk)
    )
    lock_limited_schedules(occurrences)
    meet_open([each for each in occurrences if each.schedule.origin == Origin.OBSERVED], now)
    writing = _Batch(load_surroundings(occurrences, now, down_since))
    for occurrence in occurrences:
        _take(occurrence, decide(occurrence, writing.around), writing)
    _create_jobs(writing)


def _take(occurrence: Occurrence, step: Step, batch: _Batch) -> None:
    around = batch.around
    match step.act:
        case Act.START:
            wanted = Wanted(occurrence, repositories_of(occurrence, around))
            batch.wanted.append((wanted, step))
            around.starting(occurrence)
            return
        case Act.BEGIN:
            step = _begin(occurrence, step, around)
        case Act.WITHDRAW:
            if not _withdraw(occurrence, around.now):
                return
        case Act.STOP:
            _stop(occurrence)
    _write(occurrence, step, around.now)


def _create_jobs(batch: _Batch) -> None:
    if not batch.wanted:
        return
    now = batch.around.now
    jobs = create_scheduled_jobs([wanted for wanted, _ in batch.wanted], now=now)
    for job, (wanted, step) in zip(jobs, batch.wanted, strict=True):
        started = Step(step.to, {**step.values, "job": job})
        _write(wanted.occurrence, started, now)


def _begin(occurrence: Occurrence, step: Step, around: Surroundings) -> Step:
    """Its job has begun: reckon once until when it should be done."""
    assert occurrence.job is not None
    began = occurrence.job.started_at or around.now
    expected = expected_run(occurrence)
    overrun_after = occurrence.missed_after
    if expected is not None:
        overrun_after = min(overrun_after, began + expected)
    late = {}
    if occurrence.late_at is None and occurrence.attempts <= 1 and began >= occurrence.late_after:
        late = {"late_at": began}
    occurrence.overrun_after = overrun_after
    again = nearest(occurrence, around.now)
    # Over already: the next look, in this tick, says so.
    again = around.now if overrun_after <= around.now else again
    values = {"overrun_after": overrun_after, "next_look_at": again, **late}
    return Step(step.to, {**step.values, **values})


def _withdraw(occurrence: Occurrence, now: datetime) -> bool:
    """End a job that nobody claimed; False when somebody has, just now."""
    assert occurrence.job is not None
    actor = f"schedule {occurrence.schedule.name}"
    outcome = Outcome(reason=f"cancelled by {actor}: it may not start any more")
    if end(occurrence.job, JobStatus.CANCELLED, now=now, outcome=outcome, actor=actor):
        return True
    Occurrence.objects.filter(pk=occurrence.pk).update(next_look_at=now + timedelta(seconds=1))
    return False


def _stop(occurrence: Occurrence) -> None:
    assert occurrence.job is not None
    request_cancel(occurrence.job, actor=f"schedule {occurrence.schedule.name}")


def _write(occurrence: Occurrence, step: Step, now: datetime) -> None:
    if not move_occurrence(occurrence, step.to, now=now, **step.values):
        raise LostRace(str(occurrence))
