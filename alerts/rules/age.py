"""Are the backups of an instance too old, or were there never any?"""

from __future__ import annotations

from datetime import datetime

from alerts.facts.instance import InstanceFacts
from alerts.rules.base import Finding, Limits, Rule, Threshold, Unit
from alerts.rules.punctuality import moment
from alerts.states import Severity
from backups.states import BackupKind
from backups.units import format_duration

PARTS = (BackupKind.INCREMENTAL, BackupKind.DIFFERENTIAL)


def check_full_age(facts: InstanceFacts, limits: Limits) -> Finding | None:
    last_at = facts.last_success.get(BackupKind.FULL)
    return None if last_at is None else _too_old(facts, limits, "full backup", last_at)


def check_incremental_age(facts: InstanceFacts, limits: Limits) -> Finding | None:
    """A full holds what an incremental would: it counts as well."""
    if not _uses_incrementals(facts):
        return None
    kinds = (BackupKind.FULL, *PARTS)
    moments = [facts.last_success[kind] for kind in kinds if kind in facts.last_success]
    return _too_old(facts, limits, "incremental backup", max(moments)) if moments else None


def check_never(facts: InstanceFacts, limits: Limits) -> Finding | None:
    if facts.last_success:
        return None
    age = facts.now - facts.created_at
    severity = limits.reached(age)
    if severity is None:
        return None
    return Finding(
        message=f"has never been backed up, {format_duration(age)} after it was added",
        severity=severity,
        facts={"added_at": facts.created_at.isoformat()},
    )


def check_unused(facts: InstanceFacts, limits: Limits) -> Finding | None:
    if BackupKind.FULL not in facts.last_success or _uses_incrementals(facts):
        return None
    return Finding(message="only full backups are taken")


def _uses_incrementals(facts: InstanceFacts) -> bool:
    return any(kind in facts.last_success or kind in facts.scheduled_kinds for kind in PARTS)


def _too_old(facts: InstanceFacts, limits: Limits, what: str, last_at: datetime) -> Finding | None:
    age = facts.now - last_at
    severity = limits.reached(age)
    if severity is None:
        return None
    return Finding(
        message=f"last successful {what} is {format_duration(age)} old ({moment(last_at)})",
        severity=severity,
        facts={"last_success_at": last_at.isoformat()},
    )


FULL_TOO_OLD = Rule(
    name="full_too_old",
    title="Last full backup is too old",
    about=InstanceFacts,
    check=check_full_age,
    severity=Severity.WARNING,
    explanation="The newest successful full backup, taken by Mooring or observed, is older than "
    "it should be. Every chain begins with one.",
    hint="See why no full backup succeeded since, and take one.",
    over="A full backup succeeds.",
    thresholds=(
        Threshold("warning", "Warning after", Unit.DAYS, 7),
        Threshold("critical", "Critical after", Unit.DAYS, 14),
    ),
)
INCREMENTAL_TOO_OLD = Rule(
    name="incremental_too_old",
    title="Last incremental backup is too old",
    about=InstanceFacts,
    check=check_incremental_age,
    severity=Severity.WARNING,
    explanation="Incremental or differential backups are taken or planned, and the newest one, "
    "or a newer full, is older than it should be.",
    hint="See why no incremental backup succeeded since.",
    over="An incremental, differential or full backup succeeds.",
    thresholds=(
        Threshold("warning", "Warning after", Unit.DAYS, 2),
        Threshold("critical", "Critical after", Unit.DAYS, None),
    ),
)
NEVER_BACKED_UP = Rule(
    name="never_backed_up",
    title="Never backed up",
    about=InstanceFacts,
    check=check_never,
    severity=Severity.CRITICAL,
    explanation="The instance was added and no backup of it has succeeded yet.",
    hint="Put it on a schedule, or take a backup now.",
    over="A backup succeeds.",
    thresholds=(
        Threshold("warning", "Warning after", Unit.HOURS, 24),
        Threshold("critical", "Critical after", Unit.HOURS, 48),
    ),
)
INCREMENTALS_UNUSED = Rule(
    name="incrementals_unused",
    title="Incremental backups are not used",
    about=InstanceFacts,
    check=check_unused,
    severity=Severity.NOTICE,
    explanation="There are full backups only. Incrementals are smaller and can be taken more "
    "often. Off until somebody wants to know.",
    hint="Add a schedule of kind incremental.",
    over="An incremental or differential backup succeeds, or is planned.",
    enabled=False,
)
RULES = (FULL_TOO_OLD, INCREMENTAL_TOO_OLD, NEVER_BACKED_UP, INCREMENTALS_UNUSED)
