"""Does Mooring itself work: its workers, its periodic tasks, its rules?"""

from __future__ import annotations

from datetime import timedelta

from alerts.facts.site import PeriodicTaskFacts, QueueFacts
from alerts.facts.subject import Facts
from alerts.rules.base import STATE_DAMPING, Finding, Limits, Rule, Threshold, Unit
from alerts.states import Severity
from backups.units import format_duration


def check_queue(facts: QueueFacts, limits: Limits) -> Finding | None:
    """Report a queue without a worker only while jobs wait in it."""
    if facts.workers or not facts.waiting or facts.waiting_since is None:
        return None
    waited = facts.now - facts.waiting_since
    severity = limits.reached(waited)
    if severity is None:
        return None
    jobs = "1 job has" if facts.waiting == 1 else f"{facts.waiting} jobs have"
    return Finding(
        message=f"{jobs} been waiting for up to {format_duration(waited)}; no worker serves "
        "this queue",
        severity=severity,
        facts={
            "waiting": facts.waiting,
            "waiting_since": facts.waiting_since.isoformat(),
            "worker_seen_at": facts.seen_at.isoformat() if facts.seen_at else None,
        },
    )


def check_periodic_task(facts: PeriodicTaskFacts, limits: Limits) -> Finding | None:
    if facts.error:
        return Finding(
            message=f"failed: {facts.error}",
            severity=Severity.WARNING,
            facts={"error": facts.error},
        )
    last_run_at = facts.finished_at or facts.started_at
    if last_run_at is None:
        return None
    # In the future after the clock was set back: it is as long ago, or longer.
    elapsed = abs(facts.now - last_run_at)
    tolerated = (limits.number("rounds") or 1) * facts.every
    severity = limits.reached(elapsed)
    if severity is None or elapsed < tolerated:
        return None
    return Finding(
        message=f"last completed {format_duration(elapsed)} ago; it should run every "
        f"{format_duration(facts.every)}",
        severity=severity,
        facts={"finished_at": last_run_at.isoformat()},
    )


def check_nothing(facts: Facts, limits: Limits) -> Finding | None:
    """Find nothing: the evaluation itself reports broken rules."""
    return None


QUEUE_WITHOUT_WORKER = Rule(
    name="queue_without_worker",
    title="Queue without a worker",
    about=QueueFacts,
    check=check_queue,
    severity=Severity.CRITICAL,
    explanation="Jobs are waiting in a queue that no running worker serves.",
    hint="Start a worker for this queue.",
    resolves_when="A worker has served the queue, or no job has waited in it, for 5 minutes.",
    thresholds=(
        Threshold("warning", "Warning when a job has waited for", Unit.MINUTES, 2),
        Threshold("critical", "Critical when a job has waited for", Unit.MINUTES, 10),
    ),
    damping=STATE_DAMPING,
)
PERIODIC_TASK_STOPPED = Rule(
    name="periodic_task_stopped",
    title="Periodic task has stopped",
    about=PeriodicTaskFacts,
    check=check_periodic_task,
    severity=Severity.CRITICAL,
    explanation="Everything automatic is done by periodic tasks: planning, evaluation, "
    "notifications. One of them has not completed in time, or fails.",
    hint="Check the process control; its log shows the error.",
    resolves_when="The task has run on time for 5 minutes.",
    # After a downtime every task is late until its first run completes.
    pending_for=timedelta(minutes=1),
    thresholds=(
        Threshold("warning", "Warning after", Unit.MINUTES, 2),
        Threshold("critical", "Critical after", Unit.MINUTES, 15),
        Threshold("rounds", "But only after this many missed runs", Unit.TIMES, 3),
    ),
    damping=STATE_DAMPING,
)
RULE_BROKEN = Rule(
    name="rule_broken",
    title="Rule failed with an error",
    about=Facts,
    check=check_nothing,
    severity=Severity.CRITICAL,
    explanation="A rule raised an error. Other rules are not affected. The open alerts of this "
    "rule stay as they are, but it does not find new problems.",
    hint="This is a bug in Mooring: report it with the message above and the log.",
    resolves_when="The rule works again for every subject.",
)
RULES = (QUEUE_WITHOUT_WORKER, PERIODIC_TASK_STOPPED, RULE_BROKEN)
