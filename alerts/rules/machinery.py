"""Does Mooring itself work: its workers, its ticks, its rules?"""

from __future__ import annotations

from datetime import timedelta

from alerts.facts.site import QueueFacts, TickFacts
from alerts.facts.subject import Facts
from alerts.rules.base import STATE_DAMPING, Finding, Limits, Rule, Threshold, Unit
from alerts.states import Severity
from backups.units import format_duration


def check_queue(facts: QueueFacts, limits: Limits) -> Finding | None:
    """A queue in which nobody waits may be without a worker."""
    if facts.workers or not facts.waiting or facts.waiting_since is None:
        return None
    waited = facts.now - facts.waiting_since
    severity = limits.reached(waited)
    if severity is None:
        return None
    jobs = "1 job waits" if facts.waiting == 1 else f"{facts.waiting} jobs wait"
    return Finding(
        message=f"{jobs}, the first for {format_duration(waited)}, and no worker takes from it",
        severity=severity,
        facts={
            "waiting": facts.waiting,
            "waiting_since": facts.waiting_since.isoformat(),
            "worker_seen_at": facts.seen_at.isoformat() if facts.seen_at else None,
        },
    )


def check_tick(facts: TickFacts, limits: Limits) -> Finding | None:
    if facts.error:
        return Finding(
            message=f"fails: {facts.error}",
            severity=Severity.WARNING,
            facts={"error": facts.error},
        )
    heard = facts.finished_at or facts.started_at
    if heard is None:
        return None
    silent = facts.now - heard
    least = (limits.number("rounds") or 1) * facts.every
    severity = limits.reached(silent)
    if severity is None or silent < least:
        return None
    return Finding(
        message=f"last ran through {format_duration(silent)} ago, and should every "
        f"{format_duration(facts.every)}",
        severity=severity,
        facts={"finished_at": heard.isoformat()},
    )


def check_nothing(facts: Facts, limits: Limits) -> Finding | None:
    """The evaluation itself finds this one."""
    return None


QUEUE_WITHOUT_WORKER = Rule(
    name="queue_without_worker",
    title="Queue without a worker",
    about=QueueFacts,
    check=check_queue,
    severity=Severity.CRITICAL,
    explanation="Jobs wait in a queue that no worker has said it takes from.",
    hint="Start a worker for this queue.",
    over="A worker takes from it, or nobody waits, for 5 minutes.",
    thresholds=(
        Threshold("warning", "Warning when a job waits for", Unit.MINUTES, 2),
        Threshold("critical", "Critical when a job waits for", Unit.MINUTES, 10),
    ),
    damping=STATE_DAMPING,
)
TICK_SILENT = Rule(
    name="tick_silent",
    title="A tick does not run",
    about=TickFacts,
    check=check_tick,
    severity=Severity.CRITICAL,
    explanation="Everything that happens by itself is done by ticks. One that stays away longer "
    "than it may, or fails, leaves its work undone.",
    hint="Look at the process control; the error is in its log.",
    over="It has run through for 5 minutes.",
    # After an outage every tick was silent until its first round is through.
    pending_for=timedelta(minutes=1),
    thresholds=(
        Threshold("warning", "Warning after", Unit.MINUTES, 2),
        Threshold("critical", "Critical after", Unit.MINUTES, 15),
        Threshold("rounds", "But not before this many rounds were left out", Unit.TIMES, 3),
    ),
    damping=STATE_DAMPING,
)
RULE_BROKEN = Rule(
    name="rule_broken",
    title="A rule is broken",
    about=Facts,
    check=check_nothing,
    severity=Severity.CRITICAL,
    explanation="A rule threw instead of answering. The others went on, and its own alerts stay "
    "as they are; but what it should find, it does not.",
    hint="This is a fault of Mooring: report it with the words above and the log.",
    over="It answers again, for every subject.",
)
RULES = (QUEUE_WITHOUT_WORKER, TICK_SILENT, RULE_BROKEN)
