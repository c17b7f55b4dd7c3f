"""Could more be lost than an instance's recovery point objective allows?"""

from __future__ import annotations

from alerts.facts.instance import InstanceFacts
from alerts.rules.base import STATE_DAMPING, Finding, Limits, Rule, Threshold, Unit
from alerts.rules.punctuality import moment
from alerts.states import Severity
from backups.units import format_duration

_ENABLE = "Archive its binlogs with archivebinlogs, or take backups more often."


def check_objective(facts: InstanceFacts, limits: Limits) -> Finding | None:
    """Check how much would be lost now, and whether the plan can keep to the objective."""
    objective = limits.length("objective")
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


OBJECTIVE_MISSED = Rule(
    name="objective_missed",
    title="Recovery point objective is not met",
    about=InstanceFacts,
    check=check_objective,
    severity=Severity.CRITICAL,
    explanation="If the instance were lost now, more than the objective would be lost with it; or "
    "its planned backups are further apart, and its binlogs are not archived. Disabled by default: "
    "set the objective, of all instances or of a group, a schedule or an instance.",
    hint="Check the binlog archive and the newest backup.",
    resolves_when="A moment within the objective has been recoverable for 5 minutes, and the plan "
    "can keep to it.",
    thresholds=(Threshold("objective", "Objective", Unit.MINUTES, 60),),
    enabled=False,
    damping=STATE_DAMPING,
)
RULES = (OBJECTIVE_MISSED,)
