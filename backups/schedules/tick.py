"""The tick of the schedules: plans due times, starts due occurrences, and follows their jobs.

Only occurrences whose ``next_check_at`` has passed are checked, so that the cost of a tick depends
on what is due and not on the size of the fleet. A batch is decided and written in one transaction,
jobs included: after a crash the next tick starts from a consistent state.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction

from backups.exceptions import MooringError
from backups.health.heartbeats import note_run, silent_since
from backups.jobs.cancel import request_cancel
from backups.models import Occurrence
from backups.models.catalog import Origin
from backups.schedules.blockers import repositories_of
from backups.schedules.choosing import has_restorable
from backups.schedules.context import (
    ScheduleContext,
    expected_run,
    load_context,
    lock_limited_schedules,
)
from backups.schedules.decide import decide, not_proven, nothing_to_prove
from backups.schedules.due import plan_due_schedules
from backups.schedules.fitting import forecast_starts, note_unfit, withhold
from backups.schedules.followers import plan_followers
from backups.schedules.forecast import Forecast
from backups.schedules.jobs import PlannedJob, create_scheduled_jobs
from backups.schedules.matching import match_occurrences
from backups.schedules.pauses import end_pauses
from backups.schedules.proof_jobs import request_proof
from backups.schedules.slowing import slow_down
from backups.schedules.steps import Act, NextStep, nearest
from backups.states import BackupKind, JobStatus, ProofChoice, WaitReason
from backups.transitions.jobs import JobOutcome, end
from backups.transitions.occurrences import move_occurrence

logger = logging.getLogger(__name__)

TICK = "plan occurrences"
BATCH = 200
# More than this is left to the next tick.
CHECKS_PER_TICK = 5_000
# An occurrence that cannot be decided must not come first in every tick.
POSTPONED = timedelta(minutes=1)


class LostRace(Exception):
    """Another tick has moved the same occurrence."""


@dataclass(slots=True)
class _Batch:
    """What one transaction writes."""

    context: ScheduleContext
    wanted: list[tuple[PlannedJob, NextStep]] = field(default_factory=list)


def plan_occurrences(now: datetime) -> None:
    """Do everything due at ``now``. Safe to run late, twice, and concurrently."""
    down_since = silent_since(TICK, now)
    end_pauses(now)
    planning: Exception | None = None
    try:
        plan_due_schedules(now, down_since)
    except Exception as exc:
        # One invalid schedule must not block the occurrences that are due.
        planning = exc
    decide_due(now, down_since)
    if plan_followers(now, down_since):
        # What follows a run that has just ended starts at once.
        decide_due(now, down_since)
    if planning is not None:
        # The scheduler did run: without this record, windows would be reopened.
        note_run(TICK, now)
        raise planning


def decide_due(now: datetime, down_since: datetime | None = None) -> int:
    """Decide every occurrence whose check is due; return how many."""
    checked = 0
    while checked < CHECKS_PER_TICK:
        due = Occurrence.objects.filter(next_check_at__lte=now).order_by("next_check_at", "id")
        batch = list(due.values_list("pk", flat=True)[:BATCH])
        if not batch:
            break
        checked += len(batch)
        if not _try(batch, now, down_since):
            _one_by_one(batch, now, down_since)
    return checked


def _try(batch: Sequence[int], now: datetime, down_since: datetime | None) -> bool:
    try:
        with transaction.atomic():
            _look(batch, now, down_since)
    except (OperationalError, InterfaceError):
        # The database is unreachable: no fault of these occurrences.
        raise
    except LostRace:
        logger.info(
            "another tick moved an occurrence of this batch: retrying one by one",
            extra={"action": "batch_retried"},
        )
        return False
    except Exception:
        logger.exception(
            "a batch of %d occurrences could not be decided",
            len(batch),
            extra={"action": "batch_failed"},
        )
        return False
    return True


def _one_by_one(batch: Sequence[int], now: datetime, down_since: datetime | None) -> None:
    for pk in batch:
        if not _try([pk], now, down_since):
            Occurrence.objects.filter(pk=pk, next_check_at__lte=now).update(
                next_check_at=now + POSTPONED
            )


def _look(batch: Sequence[int], now: datetime, down_since: datetime | None) -> None:
    rows = Occurrence.objects.select_for_update(of=("self",), skip_locked=True)
    rows = rows.filter(pk__in=batch, next_check_at__lte=now)
    related = ("schedule", "instance", "job__instance", "follows__job__backup")
    occurrences = list(rows.select_related(*related))
    # Full backups first: a full due together with an incremental runs before it.
    occurrences.sort(key=lambda run: (run.kind != BackupKind.FULL, run.starts_at, run.pk))
    lock_limited_schedules(occurrences)
    match_occurrences([run for run in occurrences if run.schedule.origin == Origin.OBSERVED], now)
    writing = _Batch(load_context(occurrences, now, down_since))
    for occurrence in occurrences:
        _take(occurrence, decide(occurrence, writing.context), writing)
    _create_jobs(writing)


def _take(occurrence: Occurrence, step: NextStep, batch: _Batch) -> None:
    context = batch.context
    match step.act:
        case Act.START if occurrence.schedule.proves:
            step = _prove(occurrence, step, context)
        case Act.START:
            wanted = PlannedJob(
                occurrence,
                repositories_of(occurrence, context),
                context.overdue_fulls.get(occurrence.pk, ""),
            )
            batch.wanted.append((wanted, step))
            context.starting(occurrence)
            return
        case Act.BEGIN:
            step = _begin(occurrence, step, context)
        case Act.WITHDRAW:
            if not _withdraw(occurrence, context.now):
                return
        case Act.SLOW:
            step = _slow(occurrence, step, context)
        case Act.STOP:
            _stop(occurrence)
    _write(occurrence, step, context.now)


def _prove(occurrence: Occurrence, step: NextStep, context: ScheduleContext) -> NextStep:
    """Request a verify or a restore test, or end the run where there is nothing to prove."""
    try:
        # Its own savepoint: what is refused has written nothing.
        with transaction.atomic():
            job = request_proof(occurrence)
    except MooringError as exc:
        if (
            has_restorable(occurrence.instance)
            and occurrence.schedule.proof_choice != ProofChoice.ONCE
        ):
            return not_proven(str(exc))
        return nothing_to_prove(occurrence, str(exc))
    context.starting(occurrence)
    return NextStep(step.to, {**step.values, "job": job})


def _create_jobs(batch: _Batch) -> None:
    if not batch.wanted:
        return
    now = batch.context.now
    starting = _without_unfit(batch)
    if not starting:
        return
    jobs = create_scheduled_jobs([wanted for wanted, _, _ in starting], now=now)
    for job, (wanted, step, forecast) in zip(jobs, starting, strict=True):
        started = NextStep(step.to, {**step.values, "job": job})
        _write(wanted.occurrence, started, now)
        if forecast.will_not_fit:
            note_unfit(wanted.occurrence, job, forecast, now)


def _without_unfit(batch: _Batch) -> list[tuple[PlannedJob, NextStep, Forecast]]:
    """End the runs that would not fit and that are not to start; return the others."""
    now, starting = batch.context.now, []
    runs = [
        # One that is made up for gets another window with this step.
        (wanted.occurrence, bool(wanted.full_because), step.values.get("missed_after"))
        for wanted, step in batch.wanted
    ]
    for (wanted, step), forecast in zip(batch.wanted, forecast_starts(runs, now), strict=True):
        if withheld := withhold(wanted.occurrence, forecast, now):
            _write(wanted.occurrence, withheld, now)
        else:
            starting.append((wanted, step, forecast))
    return starting


def _begin(occurrence: Occurrence, step: NextStep, context: ScheduleContext) -> NextStep:
    """Compute once, when its job has started, until when it should end."""
    assert occurrence.job is not None
    began = occurrence.job.started_at or context.now
    expected = expected_run(occurrence)
    overrun_after = occurrence.missed_after
    if expected is not None:
        overrun_after = min(overrun_after, began + expected)
    late = {}
    if occurrence.late_at is None and occurrence.attempts <= 1 and began >= occurrence.late_after:
        late = {"late_at": began}
    occurrence.overrun_after = overrun_after
    again = nearest(occurrence, context.now)
    # Already overrun: the next check, in this tick, records that.
    again = context.now if overrun_after <= context.now else again
    values = {"overrun_after": overrun_after, "next_check_at": again, **late}
    return NextStep(step.to, {**step.values, **values})


def _withdraw(occurrence: Occurrence, now: datetime) -> bool:
    """End an unclaimed job; False if a worker has just claimed it."""
    assert occurrence.job is not None
    actor = f"schedule {occurrence.schedule.name}"
    outcome = JobOutcome(reason=f"cancelled by {actor}: it may no longer start")
    if end(occurrence.job, JobStatus.CANCELLED, now=now, outcome=outcome, actor=actor):
        return True
    Occurrence.objects.filter(pk=occurrence.pk).update(next_check_at=now + timedelta(seconds=1))
    return False


def _slow(occurrence: Occurrence, step: NextStep, context: ScheduleContext) -> NextStep:
    assert occurrence.job is not None
    what = slow_down(occurrence, occurrence.job, context.now)
    if not what:
        return step
    logger.warning(
        "%s runs beyond its window: %s",
        occurrence.job,
        what,
        extra={"action": "run_slowed", "schedule": occurrence.schedule.name},
    )
    detail = f"{occurrence.job} runs beyond its window: {what}"
    values = {**step.values, "reason": WaitReason.WINDOW_SLOWED, "detail": detail}
    return NextStep(step.to, values)


def _stop(occurrence: Occurrence) -> None:
    assert occurrence.job is not None
    request_cancel(occurrence.job, actor=f"schedule {occurrence.schedule.name}")


def _write(occurrence: Occurrence, step: NextStep, now: datetime) -> None:
    if not move_occurrence(occurrence, step.to, now=now, **step.values):
        raise LostRace(str(occurrence))
