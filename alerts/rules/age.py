"""Is the newest backup of an instance too old, or was there never one?"""

from __future__ import annotations

from datetime import datetime, timedelta

from alerts.facts.instance import InstanceFacts
from alerts.rules.base import Finding, Limits, Rule, Threshold, Unit
from alerts.rules.punctuality import moment
from alerts.states import Severity
from backups.states import BackupKind
from backups.units import format_duration

PARTIAL_KINDS = (BackupKind.INCREMENTAL, BackupKind.DIFFERENTIAL)


def check_full_age(facts: InstanceFacts, limits: Limits) -> Finding | None:
    last_at = facts.last_success.get(BackupKind.FULL)
    return None if last_at is None else _too_old(facts, limits, "full backup", last_at)


def check_incremental_age(facts: InstanceFacts, limits: Limits) -> Finding | None:
    """A full backup contains what an incremental would: it counts as well.

    An instance whose schedules plan full backups only has none that could be too old.
    """
    planned = facts.scheduled_kinds or facts.last_success.keys()
    if not any(kind in planned for kind in PARTIAL_KINDS):
        return None
    kinds = (BackupKind.FULL, *PARTIAL_KINDS)
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
        message=f"has never been backed up since it was added {format_duration(age)} ago",
        severity=severity,
        facts={"added_at": facts.created_at.isoformat()},
    )


def check_unused(facts: InstanceFacts, limits: Limits) -> Finding | None:
    if BackupKind.FULL not in facts.last_success:
        return None
    if any(kind in facts.scheduled_kinds for kind in PARTIAL_KINDS):
        return None
    ends = [facts.last_success[kind] for kind in PARTIAL_KINDS if kind in facts.last_success]
    unused = limits.length("unused")
    if ends and (unused is None or facts.now - max(ends) < unused):
        return None
    return Finding(message="only full backups are taken")


def _too_old(facts: InstanceFacts, limits: Limits, label: str, last_at: datetime) -> Finding | None:
    age = facts.now - last_at
    severity = limits.reached(age)
    if severity is None:
        return None
    return Finding(
        message=f"last successful {label} is {format_duration(age)} old ({moment(last_at)})",
        severity=severity,
        facts={"last_success_at": last_at.isoformat()},
    )


FULL_TOO_OLD = Rule(
    name="full_too_old",
    title="Last full backup is too old",
    about=InstanceFacts,
    check=check_full_age,
    severity=Severity.WARNING,
    explanation="The newest successful full backup, managed or observed, is older than the "
    "threshold. Every backup chain starts with a full backup.",
    hint="Check why no full backup has succeeded since, and start one.",
    resolves_when="A full backup succeeds.",
    thresholds=(
        Threshold("warning", "Warning after", Unit.DAYS, 7),
        Threshold("critical", "Critical after", Unit.DAYS, 14),
    ),
    # A weekly full backup ends a little later than the one of last week.
    pending_for=timedelta(hours=6),
)
INCREMENTAL_TOO_OLD = Rule(
    name="incremental_too_old",
    title="Last incremental backup is too old",
    about=InstanceFacts,
    check=check_incremental_age,
    severity=Severity.WARNING,
    explanation="Incremental or differential backups are taken or planned, and the newest of "
    "them, or a newer full backup, is older than the threshold.",
    hint="Check why no incremental backup has succeeded since.",
    resolves_when="An incremental, differential or full backup succeeds.",
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
    explanation="No backup of the instance has succeeded since it was added.",
    hint="Add the instance to a schedule, or start a backup now.",
    resolves_when="A backup succeeds.",
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
    explanation="Only full backups are taken. Incremental backups are smaller and can be taken "
    "more often. Disabled by default.",
    hint="Choose incremental backups with full ones between in the schedule.",
    resolves_when="An incremental or differential backup succeeds, or is planned.",
    thresholds=(Threshold("unused", "Unused for", Unit.DAYS, 30),),
    enabled=False,
)
RULES = (FULL_TOO_OLD, INCREMENTAL_TOO_OLD, NEVER_BACKED_UP, INCREMENTALS_UNUSED)
