"""Is an instance reachable, on a schedule, and supported by its engine?"""

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
    outage = facts.now - facts.unreachable_since
    severity = limits.reached(outage)
    if severity is None:
        return None
    return Finding(
        message=f"unreachable for {format_duration(outage)}: {facts.unreachable_reason}",
        severity=severity,
        facts={"unreachable_since": facts.unreachable_since.isoformat()},
    )


def check_same_server(facts: InstanceFacts, limits: Limits) -> Finding | None:
    if facts.other_server_since is None:
        return None
    return Finding(
        message=f"another server is at its address: {facts.other_server}",
        facts={"other_server_since": facts.other_server_since.isoformat()},
    )


def check_version(facts: InstanceFacts, limits: Limits) -> Finding | None:
    """Check once it has been reached: before that, its version is unknown."""
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
    title="Instance without a schedule",
    about=InstanceFacts,
    check=check_covered,
    severity=Severity.WARNING,
    explanation="No enabled schedule, managed or observed, covers the instance, one of its groups "
    "or one of its tags. A paused schedule counts as covering.",
    hint="Add the instance to a schedule, or disable it if it needs no backup.",
    resolves_when="A schedule covers the instance, or the instance is disabled.",
    pending_for=STATE_DAMPING,
)
INSTANCE_UNREACHABLE = Rule(
    name="instance_unreachable",
    title="Instance unreachable",
    about=InstanceFacts,
    check=check_reachable,
    severity=Severity.CRITICAL,
    explanation="Mooring connects to every instance every 2 minutes; this one does not respond. "
    "Its next backup is likely to fail.",
    hint="Check that the server is running, and that this host and account may connect.",
    resolves_when="The instance has been reachable for 5 minutes.",
    thresholds=(
        Threshold("warning", "Warning after", Unit.MINUTES, 2),
        Threshold("critical", "Critical after", Unit.MINUTES, 10),
    ),
    damping=STATE_DAMPING,
)
ANOTHER_SERVER = Rule(
    name="another_server",
    title="Another server at the address",
    about=InstanceFacts,
    check=check_same_server,
    severity=Severity.CRITICAL,
    explanation="The server that answers is not the one whose backups the instance has. Backups "
    "are refused, and its history is not read, until a person says what the server is.",
    hint="Correct the address, or confirm the server on its page or by confirmserver NAME.",
    resolves_when="The instance's own server answers again, or the other one is confirmed.",
)
VERSION_UNSUPPORTED = Rule(
    name="version_unsupported",
    title="Server version not supported",
    about=InstanceFacts,
    check=check_version,
    severity=Severity.CRITICAL,
    explanation="The engine of the instance cannot back up this server version, so backups are "
    "refused. Notice for versions that have not been tested.",
    hint="Choose another engine for the instance, or check which versions the engine supports.",
    resolves_when="The engine supports the server version.",
)
RULES = (NOT_COVERED, INSTANCE_UNREACHABLE, ANOTHER_SERVER, VERSION_UNSUPPORTED)
