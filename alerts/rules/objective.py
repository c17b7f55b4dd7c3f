"""Is an instance recoverable within its objectives, now and by the trend, and is that known?"""

from __future__ import annotations

from alerts.facts.instance import InstanceFacts
from alerts.facts.objective import StandingFacts
from alerts.rules.base import STATE_DAMPING, Finding, Limits, Rule
from alerts.rules.punctuality import moment
from alerts.states import Severity
from backups.states import ObjectiveLevel
from backups.units import format_duration

_ENABLE = "Archive its binlogs with archivebinlogs, or take backups more often."
_SETTING = "Nothing is found where no objective is set: under Settings, or with setobjective."


def check_objective(facts: InstanceFacts, limits: Limits) -> Finding | None:
    """Check how much would be lost now, and whether the plan can keep to the objective."""
    objective = facts.rpo
    moments = [*facts.last_success.values(), facts.recoverable_to]
    reached = max((each for each in moments if each is not None), default=None)
    if objective is None or reached is None:
        return None
    allowed = f"the objective is {format_duration(objective)}"
    hint = "" if facts.archived else _ENABLE
    if (age := facts.now - reached) > objective:
        return Finding(
            message=f"recoverable only to {moment(reached)}, {format_duration(age)} ago; {allowed}",
            facts={"recoverable_to": reached.isoformat()},
            hint=hint,
        )
    if facts.archived or facts.longest_pause is None or facts.longest_pause <= objective:
        return None
    return Finding(
        message="no binlogs are archived, and planned backups are up to "
        f"{format_duration(facts.longest_pause)} apart; {allowed}",
        hint=hint,
    )


def check_recovery_time(facts: StandingFacts, limits: Limits) -> Finding | None:
    if facts.rto is None or not facts.reaches or facts.rto_level != ObjectiveLevel.MISSED:
        return None
    return Finding(
        message=f"a recovery takes {facts.recovery}; the objective is {format_duration(facts.rto)}"
    )


def check_trend(facts: StandingFacts, limits: Limits) -> Finding | None:
    """Check what the trend says; what is missed by now has a rule of its own."""
    found = [
        f"the {name} of {format_duration(objective)} from {missed_from:%Y-%m-%d} on"
        for name, objective, level, missed_from in (
            ("RPO", facts.rpo, facts.rpo_level, facts.rpo_missed_from),
            ("RTO", facts.rto, facts.rto_level, facts.rto_missed_from),
        )
        if objective is not None and missed_from and level == ObjectiveLevel.AT_RISK
    ]
    if not found:
        return None
    return Finding(message=f"by the trend of the last days it will miss {' and '.join(found)}")


def check_unknown(facts: StandingFacts, limits: Limits) -> Finding | None:
    if facts.rto is None or facts.rto_level != ObjectiveLevel.UNKNOWN:
        return None
    allowed = format_duration(facts.rto)
    return Finding(
        message=f"whether a recovery takes longer than {allowed} is unknown: {facts.recovery}"
    )


OBJECTIVE_MISSED = Rule(
    name="objective_missed",
    title="Recovery point objective is not met",
    about=InstanceFacts,
    check=check_objective,
    severity=Severity.CRITICAL,
    explanation="If the instance were lost now, more than the objective would be lost with it; or "
    f"its planned backups are further apart, and its binlogs are not archived. {_SETTING}",
    hint="Check the binlog archive and the newest backup.",
    resolves_when="A moment within the objective has been recoverable for 5 minutes, and the plan "
    "can keep to it.",
    damping=STATE_DAMPING,
)
RECOVERY_TOO_SLOW = Rule(
    name="recovery_too_slow",
    title="Recovery time objective is not met",
    about=StandingFacts,
    check=check_recovery_time,
    severity=Severity.CRITICAL,
    explanation="A recovery of the newest moment would take longer than the objective, as "
    f"predicted from earlier restores and restore tests. {_SETTING}",
    hint="See on the page of the instance which stage takes how long; more frequent full backups "
    "shorten a replay.",
    resolves_when="The prediction has been within the objective for 5 minutes.",
    damping=STATE_DAMPING,
)
OBJECTIVE_TREND = Rule(
    name="objective_trend",
    title="Recovery objective will be missed",
    about=StandingFacts,
    check=check_trend,
    severity=Severity.WARNING,
    explanation="The objective is met, but what was measured on each of the last days rises, and "
    "crosses the objective within 30 days. At least 8 days are needed.",
    hint="See on the page of the instance what grows: its data, its redo log, or the time between "
    "its backups.",
    resolves_when="The trend has not crossed the objective within 30 days for 5 minutes.",
    damping=STATE_DAMPING,
)
OBJECTIVE_UNKNOWN = Rule(
    name="objective_unknown",
    title="Recovery time objective: unknown whether it is met",
    about=StandingFacts,
    check=check_unknown,
    severity=Severity.WARNING,
    explanation="An RTO is set, and too little was measured to know how long a recovery takes; or "
    "the objective lies within what is predicted.",
    hint="Run restore tests of the instance with testrestore, or plan them with its schedule.",
    resolves_when="It has been known for 5 minutes.",
    damping=STATE_DAMPING,
)
RULES = (OBJECTIVE_MISSED, RECOVERY_TOO_SLOW, OBJECTIVE_TREND, OBJECTIVE_UNKNOWN)
