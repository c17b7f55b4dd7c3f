"""Is a job running too long, or has it stalled?"""

from __future__ import annotations

from datetime import timedelta

from alerts.facts.run import ActiveJobFacts
from alerts.rules.base import STATE_DAMPING, Finding, Limits, Rule, Threshold, Unit
from alerts.rules.punctuality import moment
from alerts.states import Severity
from backups.units import format_duration


def check_long(facts: ActiveJobFacts, limits: Limits) -> Finding | None:
    """Compare the run time with the expected duration and the window."""
    running = facts.now - facts.started_at
    beyond = facts.window_closes_at is not None and facts.now >= facts.window_closes_at
    overdue = _overdue(facts, limits, running)
    if not beyond and not overdue:
        return None
    parts = [f"running for {format_duration(running)}"]
    if overdue:
        bound = "usually at most" if facts.estimated else "expected duration"
        parts.append(f"{bound} {format_duration(facts.expected)}")
    if beyond and facts.window_closes_at is not None:
        parts.append(f"its window closed at {moment(facts.window_closes_at)}")
    return Finding(
        message="; ".join(parts),
        facts={
            "started_at": facts.started_at.isoformat(),
            "expected_s": facts.expected.total_seconds() if facts.expected else None,
            "beyond_window": beyond,
        },
    )


def check_stalled(facts: ActiveJobFacts, limits: Limits) -> Finding | None:
    if facts.last_output_at is None:
        return None
    silence = facts.now - facts.last_output_at
    severity = limits.reached(silence)
    if severity is None:
        return None
    return Finding(
        message=f"no data and no log output for {format_duration(silence)}",
        severity=severity,
        facts={"last_output_at": facts.last_output_at.isoformat()},
    )


def _overdue(facts: ActiveJobFacts, limits: Limits, running: timedelta) -> bool:
    if facts.expected is None:
        return False
    allowed = facts.expected * (limits.number("factor") or 1)
    # A job that usually takes seconds may take a little longer without an alert.
    slack = limits.length("slack") if facts.estimated else None
    return running > max(allowed, facts.expected + (slack or timedelta(0)))


RUNNING_LONG = Rule(
    name="running_long",
    title="Job runs longer than expected",
    about=ActiveJobFacts,
    check=check_long,
    severity=Severity.WARNING,
    explanation="A job runs longer than the expected duration of its schedule or, without one, "
    "than median + 3 MAD of the last 20 of its kind; or it still runs after its window closed.",
    hint="Compare its rate with earlier jobs: the instance, network or repository may be slow.",
    resolves_when="The job ends.",
    superseded_by=("job_failed", "job_refused", "job_lost"),
    thresholds=(
        Threshold("factor", "Times the expected duration", Unit.TIMES, 1),
        Threshold("slack", "Minimum excess over an estimate", Unit.MINUTES, 10),
    ),
)
JOB_STALLED = Rule(
    name="job_stalled",
    title="Job has stalled",
    about=ActiveJobFacts,
    check=check_stalled,
    severity=Severity.WARNING,
    explanation="A running job has transferred no data and its engine has logged nothing for a "
    "while. After MOORING_STALL_SECONDS the executor fails it.",
    hint="Check the instance and the repository: one of them does not respond.",
    resolves_when="The job continues, or ends.",
    superseded_by=("job_failed", "job_refused", "job_lost"),
    thresholds=(
        Threshold("warning", "Warning after", Unit.MINUTES, 5),
        Threshold("critical", "Critical after", Unit.MINUTES, 12),
    ),
    damping=STATE_DAMPING,
)
RULES = (RUNNING_LONG, JOB_STALLED)
