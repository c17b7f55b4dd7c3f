"""Does a job run for too long, or say nothing any more?"""

from __future__ import annotations

from datetime import timedelta

from alerts.facts.run import ActiveJobFacts
from alerts.rules.base import STATE_DAMPING, Finding, Limits, Rule, Threshold, Unit
from alerts.rules.punctuality import moment
from alerts.states import Severity
from backups.units import format_duration


def check_long(facts: ActiveJobFacts, limits: Limits) -> Finding | None:
    """Compare with what was expected, and with the window."""
    running = facts.now - facts.started_at
    beyond = facts.window_closes_at is not None and facts.now >= facts.window_closes_at
    overdue = _overdue(facts, limits, running)
    if not beyond and not overdue:
        return None
    said = [f"running for {format_duration(running)}"]
    if overdue:
        learnt = "usually at most " if facts.learnt else "expected are "
        said.append(f"{learnt}{format_duration(facts.expected)}")
    if beyond and facts.window_closes_at is not None:
        said.append(f"its window closed at {moment(facts.window_closes_at)}")
    return Finding(
        message="; ".join(said),
        facts={
            "started_at": facts.started_at.isoformat(),
            "expected_s": facts.expected.total_seconds() if facts.expected else None,
            "beyond_window": beyond,
        },
    )


def check_stalled(facts: ActiveJobFacts, limits: Limits) -> Finding | None:
    if facts.last_activity_at is None:
        return None
    silent = facts.now - facts.last_activity_at
    severity = limits.reached(silent)
    if severity is None:
        return None
    return Finding(
        message=f"no byte and no log line for {format_duration(silent)}",
        severity=severity,
        facts={"last_activity_at": facts.last_activity_at.isoformat()},
    )


def _overdue(facts: ActiveJobFacts, limits: Limits, running: timedelta) -> bool:
    if facts.expected is None:
        return False
    allowed = facts.expected * (limits.number("factor") or 1)
    # What usually takes seconds may take a little longer without anybody being told.
    slack = limits.length("slack") if facts.learnt else None
    return running > max(allowed, facts.expected + (slack or timedelta(0)))


RUNNING_LONG = Rule(
    name="running_long",
    title="Job runs longer than expected",
    about=ActiveJobFacts,
    check=check_long,
    severity=Severity.WARNING,
    explanation="A job takes longer than its schedule expects, or, where that says nothing, than "
    "median + 3 MAD of the last 20 of its kind; or its window has closed and it still runs.",
    hint="Compare its rate with earlier jobs: the instance, the network or the repository is slow.",
    over="It ends.",
    taken_over_by=("job_failed", "job_lost"),
    thresholds=(
        Threshold("factor", "Times the expected duration", Unit.TIMES, 1),
        Threshold("slack", "At least this much longer, where it was learnt", Unit.MINUTES, 10),
    ),
)
JOB_STALLED = Rule(
    name="job_stalled",
    title="Job has stalled",
    about=ActiveJobFacts,
    check=check_stalled,
    severity=Severity.WARNING,
    explanation="A running job has not read a byte and its engine has not said a word for a "
    "while. The executor ends it once MOORING_STALL_SECONDS have passed.",
    hint="Look at the instance and the repository: one of them does not answer.",
    over="It goes on, or ends.",
    taken_over_by=("job_failed", "job_lost"),
    thresholds=(
        Threshold("warning", "Warning after", Unit.MINUTES, 5),
        Threshold("critical", "Critical after", Unit.MINUTES, 12),
    ),
    damping=STATE_DAMPING,
)
RULES = (RUNNING_LONG, JOB_STALLED)
