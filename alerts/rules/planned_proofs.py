"""Were the planned verifies and restore tests done?

A fault that one has found is a question of ``alerts.rules.proof``. What the host could not do says
nothing of the copy.
"""

from __future__ import annotations

from alerts.facts.run import UnprovenFacts
from alerts.rules.base import Finding, Limits, Rule, Threshold, Unit
from alerts.rules.punctuality import HINTS, MILDER, because, moment
from alerts.states import Severity
from backups.states import Operation
from backups.units import format_duration


def check_missed(facts: UnprovenFacts, limits: Limits) -> Finding | None:
    if not facts.missed:
        return None
    times = f", {facts.count} in a row" if facts.count > 1 else ""
    return Finding(
        message=f"the {_name(facts)} due at {moment(facts.due_at)} was missed{times}"
        f"{because(facts.reason, facts.detail)}",
        severity=MILDER.get(facts.reason),
        facts={"occurrence": facts.occurrence_id, "missed_in_a_row": facts.count},
        hint=HINTS.get(facts.reason, ""),
        episode=f"occurrence:{facts.occurrence_id}",
    )


def check_not_done(facts: UnprovenFacts, limits: Limits) -> Finding | None:
    """Count from the first that was not done: one is repeated, or the next one is."""
    if facts.missed:
        return None
    severity = limits.reached(facts.now - facts.since)
    if severity is None:
        return None
    age = format_duration(facts.now - facts.since)
    times = f", {facts.count} in a row" if facts.count > 1 else ""
    return Finding(
        message=f"no {_name(facts)} was done for {age}{times}: {facts.detail}",
        severity=severity,
        facts={"occurrence": facts.occurrence_id, "since": facts.since.isoformat()},
    )


def _name(facts: UnprovenFacts) -> str:
    return Operation(facts.operation).label.lower()


PROOF_MISSED = Rule(
    name="proof_missed",
    title="Verify or restore test was missed",
    about=UnprovenFacts,
    check=check_missed,
    severity=Severity.WARNING,
    explanation="The window of a planned verify or restore test closed before it started. Notice "
    "while the schedule is paused.",
    hint="Check the reason, and start it by hand.",
    resolves_when="A later run of the schedule for the instance, or one by hand, has a result; or "
    "the schedule is disabled.",
    superseded_by=("proof_not_done",),
)
PROOF_NOT_DONE = Rule(
    name="proof_not_done",
    title="Verify or restore test could not be done",
    about=UnprovenFacts,
    check=check_not_done,
    severity=Severity.NOTICE,
    explanation="Planned verifies or restore tests of an instance end without a result, for a "
    "reason of the host: no room, no server program that fits, a lost worker. This says nothing of "
    "its backups.",
    hint="Open the newest job: its error says what is missing on the host.",
    resolves_when="A later run of the schedule for the instance, or one by hand, has a result; or "
    "the schedule is disabled.",
    thresholds=(
        Threshold("notice", "Notice after", Unit.DAYS, 1),
        Threshold("warning", "Warning after", Unit.DAYS, 7),
    ),
)
RULES = (PROOF_MISSED, PROOF_NOT_DONE)
