"""Can an instance be reached, is it covered, and can its engine copy it at all?"""

from __future__ import annotations

from alerts.facts.instance import InstanceFacts
from alerts.rules.base import STATE_DAMPING, Finding, Limits, Rule, Threshold, Unit
from alerts.states import Severity
from backups.checks import Verdict
from backups.programs.compatibility import can_back_up, parse_version
from backups.units import format_duration


def check_covered(facts: InstanceFacts, limits: Limits) -> Finding | None:
    if facts.scheduled_kinds:
        return None
    return Finding(message="no enabled schedule covers this instance")


def check_reachable(facts: InstanceFacts, limits: Limits) -> Finding | None:
    if facts.unreachable_since is None:
        return None
    away = facts.now - facts.unreachable_since
    severity = limits.reached(away)
    if severity is None:
        return None
    return Finding(
        message=f"unreachable for {format_duration(away)}: {facts.unreachable_reason}",
        severity=severity,
        facts={"unreachable_since": facts.unreachable_since.isoformat()},
    )


def check_version(facts: InstanceFacts, limits: Limits) -> Finding | None:
    """Judge once it has been reached: before that its version is unknown."""
    if not facts.version:
        return None
    ruling = can_back_up(facts.engine, facts.flavour, parse_version(facts.version))
    if ruling.verdict is Verdict.OK:
        return None
    return Finding(
        message=ruling.reason,
        severity=None if ruling.verdict is Verdict.FAILED else Severity.NOTICE,
        facts={"engine": facts.engine, "version": facts.version},
        hint=ruling.hint,
    )


NOT_COVERED = Rule(
    name="not_covered",
    title="No schedule covers this instance",
    about=InstanceFacts,
    check=check_covered,
    severity=Severity.WARNING,
    explanation="No enabled schedule, of Mooring or observed, names the instance, one of its "
    "groups or one of its tags. A paused schedule still covers.",
    hint="Add the instance to a schedule, or disable it if it needs no backup.",
    over="A schedule covers it, or it is disabled.",
    pending_for=STATE_DAMPING,
)
INSTANCE_UNREACHABLE = Rule(
    name="instance_unreachable",
    title="Instance cannot be reached",
    about=InstanceFacts,
    check=check_reachable,
    severity=Severity.CRITICAL,
    explanation="Mooring asks every instance every 2 minutes, and this one has not answered: its "
    "next backup will fail as well.",
    hint="Look whether the server runs, and whether this host and account may connect.",
    over="It has answered for 5 minutes.",
    thresholds=(
        Threshold("warning", "Warning after", Unit.MINUTES, 2),
        Threshold("critical", "Critical after", Unit.MINUTES, 10),
    ),
    damping=STATE_DAMPING,
)
VERSION_UNSUPPORTED = Rule(
    name="version_unsupported",
    title="Engine does not support this version",
    about=InstanceFacts,
    check=check_version,
    severity=Severity.CRITICAL,
    explanation="The engine the instance is backed up with cannot copy a server of its version: "
    "after an upgrade backups will be refused. A notice where nobody has seen it work yet.",
    hint="Give the instance another engine, or look which versions it supports.",
    over="Version or engine changes so that they fit.",
)
RULES = (NOT_COVERED, INSTANCE_UNREACHABLE, VERSION_UNSUPPORTED)
