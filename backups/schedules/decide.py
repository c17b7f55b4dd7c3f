"""What happens to an open occurrence now?

Decisions only: loaded rows in, one step out; nothing is written here. Each step names the next
moment at which there is something to decide.
"""

from __future__ import annotations

from datetime import datetime

from backups.models import Job, Occurrence
from backups.models.catalog import Origin
from backups.models.schedule import AtWindowEnd, CatchUp
from backups.schedule import may_retry
from backups.schedules.blockers import blocker_of
from backups.schedules.context import ScheduleContext
from backups.schedules.observed import watch
from backups.schedules.proof_jobs import NOT_DONE
from backups.schedules.steps import (
    RECHECK_AT_LATEST,
    Act,
    NextStep,
    ended,
    lateness,
    nearest,
    waits,
)
from backups.states import JobStatus, OccurrenceStatus, Operation, WaitReason

# The stage that fails only if the instance is unreachable.
CONNECT = "connect"
PAUSED = WaitReason.PAUSED
# For these reasons a later occurrence replaces it; for any other reason it was missed.
NO_OBSTACLE = {
    WaitReason.NONE,
    WaitReason.PAUSED,
    WaitReason.SCHEDULE_DISABLED,
    WaitReason.SCHEDULER_DOWN,
}
# Nothing failed: it was not done.
REFUSALS = (WaitReason.REFUSED, WaitReason.NO_RESULT)


def decide(occurrence: Occurrence, context: ScheduleContext) -> NextStep:
    """Return the next step of an open occurrence."""
    job = occurrence.job
    if job is None:
        if occurrence.status == OccurrenceStatus.RUNNING:
            to = _without_retry(occurrence, WaitReason.FAILED)
            return ended(to, WaitReason.FAILED, "its job was deleted")
        return _without_job(occurrence, context)
    if job.status == JobStatus.PENDING:
        return _job_waits(occurrence, job, context)
    if job.status == JobStatus.RUNNING:
        return _job_runs(occurrence, job, context)
    if occurrence.retry_at is not None:
        return _without_job(occurrence, context)
    return _job_ended(occurrence, job, context)


def _without_job(occurrence: Occurrence, context: ScheduleContext) -> NextStep:
    """Start an occurrence without a job, or return why it waits."""
    schedule = occurrence.schedule
    if not schedule.enabled:
        return _never(occurrence, WaitReason.SCHEDULE_DISABLED, f"{schedule.name} is disabled")
    if schedule.origin == Origin.OBSERVED:
        return watch(occurrence, context)
    if context.superseded(occurrence):
        return _superseded(occurrence, context)
    reopened: dict[str, object] = {}
    if context.now >= occurrence.missed_after:
        if not _catches_up(occurrence, context):
            return _window_closed(occurrence, context)
        # The window passed while no scheduler ran: it gets another window.
        reopened = {"missed_after": context.now + schedule.window}
    if occurrence.retry_at is not None and context.now < occurrence.retry_at:
        reason = WaitReason(occurrence.reason)
        return waits(occurrence, context.now, reason, occurrence.detail, until=occurrence.retry_at)
    if blocker := blocker_of(occurrence, context):
        step = waits(occurrence, context.now, *blocker[:2], until=blocker.until)
        return NextStep(step.to, {**step.values, **reopened})
    return _start(occurrence, context, reopened)


def _superseded(occurrence: Occurrence, context: ScheduleContext) -> NextStep:
    """Replace it by a later one: skipped, or missed if an obstacle had kept it waiting."""
    reason, detail = WaitReason(occurrence.reason), occurrence.detail
    if occurrence.attempts or reason in NO_OBSTACLE:
        return _never(occurrence, WaitReason.SUPERSEDED, detail)
    if context.was_down_at(occurrence.missed_after):
        return _window_closed(occurrence, context)
    queue, served = context.queue_of(occurrence)
    if reason is WaitReason.PREVIOUS_RUNNING and not served:
        # The previous run only waits for a worker, as all others do.
        reason, detail = WaitReason.NO_WORKER, f"{detail}, and no worker consumes the {queue} queue"
    # Its window may still be open, but the later occurrence runs instead.
    return ended(OccurrenceStatus.MISSED, reason, detail, lateness(occurrence, context.now))


def _start(
    occurrence: Occurrence, context: ScheduleContext, reopened: dict[str, object]
) -> NextStep:
    values = {
        "attempts": occurrence.attempts + 1,
        # A pause stays the reason for a late start; any other is over.
        "reason": PAUSED if occurrence.reason == PAUSED else WaitReason.NONE,
        "retry_at": None,
        **lateness(occurrence, context.now),
        "next_check_at": nearest(occurrence, context.now),
        **reopened,
    }
    return NextStep(OccurrenceStatus.DUE, values, Act.START)


def _job_waits(occurrence: Occurrence, job: Job, context: ScheduleContext) -> NextStep:
    """Check a pending job: is it late, is its window over?"""
    now = context.now
    if not occurrence.schedule.enabled:
        reason, detail = WaitReason.SCHEDULE_DISABLED, f"{occurrence.schedule.name} is disabled"
        return ended(OccurrenceStatus.SKIPPED, reason, detail, act=Act.WITHDRAW)
    reason, detail = _why_pending(occurrence, job, context)
    if now < occurrence.missed_after:
        return waits(occurrence, now, reason, detail, until=now + RECHECK_AT_LATEST)
    if context.was_down_at(occurrence.missed_after) and _may_catch_up(occurrence, context):
        # While no scheduler ran, usually no worker did either: it gets another window.
        step = waits(occurrence, now, reason, occurrence.detail)
        closes_at = now + occurrence.schedule.window
        return NextStep(step.to, {**step.values, "missed_after": closes_at})
    if reason is WaitReason.NONE:
        reason, detail = WaitReason.NOT_CLAIMED, f"no worker claimed {job} in time"
    return _late_end(occurrence, context, reason, detail, Act.WITHDRAW)


def _why_pending(
    occurrence: Occurrence, job: Job, context: ScheduleContext
) -> tuple[WaitReason, str]:
    # The resource a claim had to wait for: another job, or a place under a limit.
    if job.waits_for.startswith("instance:"):
        return WaitReason.PREVIOUS_RUNNING, f"{job} waits for another job of its instance"
    if job.waits_for:
        return WaitReason.LIMIT, f"{job} waits for a free place under the limit of {job.waits_for}"
    queue, served = context.queue_of(occurrence)
    if not served:
        return WaitReason.NO_WORKER, f"{job} is queued, and no worker consumes the {queue} queue"
    return WaitReason.NONE, ""


def _job_runs(occurrence: Occurrence, job: Job, context: ScheduleContext) -> NextStep:
    """Check a running job: does it overrun?"""
    now = context.now
    if occurrence.status == OccurrenceStatus.DUE:
        return NextStep(OccurrenceStatus.RUNNING, {"reason": WaitReason.NONE}, Act.BEGIN)
    values: dict[str, object] = {"next_check_at": nearest(occurrence, now)}
    overrun_after = occurrence.overrun_after or occurrence.missed_after
    if occurrence.overran_at is None and now >= overrun_after:
        beyond = overrun_after >= occurrence.missed_after
        overrun = "beyond its window" if beyond else "longer than expected"
        values |= {"overran_at": now, "detail": f"{job} runs {overrun}"}
    act = _at_window_end(occurrence, now)
    if act is Act.STOP:
        values["reason"] = WaitReason.WINDOW_END
    return NextStep(OccurrenceStatus.RUNNING, values, act)


def _at_window_end(occurrence: Occurrence, now: datetime) -> Act:
    """Return what happens to a running job because its window has ended: once."""
    schedule = occurrence.schedule
    if now < occurrence.missed_after or schedule.origin != Origin.MANAGED:
        return Act.NOTHING
    if schedule.at_window_end == AtWindowEnd.CANCEL:
        return Act.NOTHING if occurrence.reason == WaitReason.WINDOW_END else Act.STOP
    if schedule.at_window_end == AtWindowEnd.SLOW:
        slowed = occurrence.reason in (WaitReason.WINDOW_SLOWED, WaitReason.WINDOW_END)
        return Act.NOTHING if slowed else Act.SLOW
    return Act.NOTHING


def _job_ended(occurrence: Occurrence, job: Job, context: ScheduleContext) -> NextStep:
    late = _began_late(occurrence, job)
    when = {"ended_at": job.ended_at or context.now, **late}
    if job.status == JobStatus.SUCCEEDED:
        # Earlier errors are on the jobs; an overrun stays on this row.
        detail = occurrence.detail if occurrence.overran_at else ""
        return ended(OccurrenceStatus.SUCCEEDED, WaitReason.NONE, detail, when)
    if job.status == JobStatus.CANCELLED:
        if occurrence.reason == WaitReason.WINDOW_END:
            detail = f"{job} was stopped at the end of its window"
            proves = occurrence.schedule.proves
            to = OccurrenceStatus.REFUSED if proves else OccurrenceStatus.FAILED
            return ended(to, WaitReason.WINDOW_END, detail, when)
        detail = f"{job} was cancelled"
        return ended(OccurrenceStatus.CANCELLED, WaitReason.NONE, detail, when)
    error = job.error or f"{job} {job.get_status_display().lower()}"
    if not occurrence.schedule.proves:
        reason = _reason_of(job)
    elif job.pk in context.refuting:
        # A fault was found: the same test would find it again.
        return ended(OccurrenceStatus.FAILED, WaitReason.FAILED, error, when)
    else:
        reason, error = WaitReason.NO_RESULT, f"{_not_done(job)}, because {error}"
    retry_at = _retry_at(occurrence, job, context)
    if retry_at is None:
        return ended(_without_retry(occurrence, reason), reason, error, when)
    values = {"reason": reason, "detail": error[:300], "retry_at": retry_at, **late}
    values["next_check_at"] = max(retry_at, context.now)
    return NextStep(OccurrenceStatus.DUE, values)


def _not_done(job: Job) -> str:
    return NOT_DONE[Operation(job.operation)]


def _reason_of(job: Job) -> WaitReason:
    """Return why the attempt did not succeed."""
    if job.status == JobStatus.REFUSED:
        return WaitReason.REFUSED
    unreachable = job.failed_stage == CONNECT
    return WaitReason.INSTANCE_UNREACHABLE if unreachable else WaitReason.FAILED


def _without_retry(occurrence: Occurrence, reason: WaitReason) -> OccurrenceStatus:
    """Return how an occurrence ends whose last attempt ended for ``reason``.

    A proof that found a fault is not tried again: one that was tried more than once was not done.
    """
    refused = reason in REFUSALS or occurrence.schedule.proves
    return OccurrenceStatus.REFUSED if refused else OccurrenceStatus.FAILED


def _retry_at(occurrence: Occurrence, job: Job, context: ScheduleContext) -> datetime | None:
    schedule = occurrence.schedule
    if not schedule.enabled:
        return None
    if schedule.origin == Origin.OBSERVED:
        # Its own scheduler may run it again until the window closes.
        return occurrence.missed_after if context.now < occurrence.missed_after else None
    retry_at = max((job.ended_at or context.now) + schedule.retry_delay, context.now)
    left = may_retry(occurrence.attempts, schedule.retries, retry_at, occurrence.missed_after)
    return retry_at if left else None


def _began_late(occurrence: Occurrence, job: Job) -> dict[str, object]:
    """Record a late start of a job that started and ended between two checks."""
    began = job.started_at
    first = occurrence.attempts <= 1 and occurrence.late_at is None
    return {"late_at": began} if first and began and began >= occurrence.late_after else {}


def _catches_up(occurrence: Occurrence, context: ScheduleContext) -> bool:
    unseen = occurrence.reason == WaitReason.NONE and occurrence.attempts == 0
    down = unseen or context.was_down_at(occurrence.missed_after)
    return down and _may_catch_up(occurrence, context)


def _may_catch_up(occurrence: Occurrence, context: ScheduleContext) -> bool:
    once = occurrence.schedule.catch_up == CatchUp.ONCE
    return once and not context.superseded(occurrence)


def _window_closed(occurrence: Occurrence, context: ScheduleContext) -> NextStep:
    reason, detail = WaitReason(occurrence.reason), occurrence.detail
    if reason is WaitReason.NONE or context.was_down_at(occurrence.missed_after):
        reason, detail = (
            WaitReason.SCHEDULER_DOWN,
            detail or "the scheduler did not check it in time",
        )
    return _late_end(occurrence, context, reason, detail)


def _late_end(
    occurrence: Occurrence,
    context: ScheduleContext,
    reason: WaitReason,
    detail: str,
    act: Act = Act.NOTHING,
) -> NextStep:
    """End it after its window: failed if an attempt had run, otherwise missed."""
    if occurrence.attempts > (1 if act is Act.WITHDRAW else 0):
        return ended(_without_retry(occurrence, reason), reason, detail, act=act)
    late = lateness(occurrence, context.now)
    return ended(OccurrenceStatus.MISSED, reason, detail, late, act)


def nothing_to_prove(occurrence: Occurrence, why: str) -> NextStep:
    """Return how a verify or a restore test ends that has no copy to read.

    That a backup is missing is said where backups are missing.
    """
    return _never(occurrence, WaitReason.NOTHING_TO_PROVE, why)


def not_proven(why: str) -> NextStep:
    """Return how a verify or a restore test ends that is refused, although there are copies."""
    return ended(OccurrenceStatus.REFUSED, WaitReason.NO_RESULT, why)


def _never(occurrence: Occurrence, reason: WaitReason, detail: str) -> NextStep:
    """End it without another attempt."""
    if occurrence.attempts:
        refused = occurrence.reason in REFUSALS
        last = WaitReason(occurrence.reason) if refused else WaitReason.FAILED
        return ended(_without_retry(occurrence, last), last, occurrence.detail)
    return ended(OccurrenceStatus.SKIPPED, reason, detail)
