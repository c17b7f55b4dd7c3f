"""Are an instance's binlogs received and stored, and is it recoverable to the present?"""

from __future__ import annotations

from datetime import timedelta

from alerts.facts.binlog import BinlogFacts
from alerts.rules.base import STATE_DAMPING, Finding, Limits, Rule, Threshold, Unit
from alerts.states import Severity
from backups.units import format_bytes, format_duration

MIB = 2**20


def check_received(facts: BinlogFacts, limits: Limits) -> Finding | None:
    if facts.silent_since is None:
        return None
    silence = max(facts.now - facts.silent_since, timedelta(0))
    severity = limits.reached(silence)
    if severity is None:
        return None
    why = facts.reason or "no receiver runs"
    return Finding(
        message=f"no binlog received for {format_duration(silence)}: {why}",
        severity=severity,
        facts={"silent_since": facts.silent_since.isoformat()},
        hint=facts.hint,
    )


def check_lag(facts: BinlogFacts, limits: Limits) -> Finding | None:
    if facts.lag_bytes is None or facts.silent_since is not None:
        return None
    severity = limits.risen_to(facts.lag_bytes / MIB)
    if severity is None:
        return None
    return Finding(
        message=f"{format_bytes(facts.lag_bytes)} behind the source",
        severity=severity,
        facts={"lag_bytes": facts.lag_bytes},
    )


def check_synchronous(facts: BinlogFacts, limits: Limits) -> Finding | None:
    """Check whether the source waits, as requested; where nothing is received it cannot."""
    if not facts.acknowledge or facts.source_waits is not False:
        return None
    return Finding(
        message="the source does not wait for the archive: a crash may lose confirmed transactions"
    )


def check_settings(facts: BinlogFacts, limits: Limits) -> Finding | None:
    found = facts.warnings.splitlines()
    if not found:
        return None
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Finding(message=found[0] + more, facts={"warnings": found})


def check_stored(facts: BinlogFacts, limits: Limits) -> Finding | None:
    if not facts.store_fault:
        return None
    return Finding(
        message=f"{format_bytes(facts.backlog_bytes)} wait in the spool: "
        f"{facts.store_fault.splitlines()[0]}",
        facts={
            "backlog_bytes": facts.backlog_bytes,
            "repositories": facts.store_fault.splitlines(),
        },
    )


def check_spool(facts: BinlogFacts, limits: Limits) -> Finding | None:
    if facts.spool_free_bytes is None or not facts.spool_total_bytes:
        return None
    percent = 100 * facts.spool_free_bytes / facts.spool_total_bytes
    severity = limits.fallen_to(percent)
    if severity is None:
        return None
    return Finding(
        message=f"{percent:.1f} % free on the spool's disk: {format_bytes(facts.spool_free_bytes)}",
        severity=severity,
        facts={"free_bytes": facts.spool_free_bytes, "backlog_bytes": facts.backlog_bytes},
    )


def check_recoverable(facts: BinlogFacts, limits: Limits) -> Finding | None:
    if not facts.not_recoverable:
        return None
    return Finding(message=f"not recoverable to the present: {facts.not_recoverable}")


BINLOGS_NOT_RECEIVED = Rule(
    name="binlogs_not_received",
    title="Binlogs are not received",
    about=BinlogFacts,
    check=check_received,
    severity=Severity.CRITICAL,
    explanation="What the instance commits now is lost if it is lost. Once it purges a binlog that "
    "was not received, the archive has a gap.",
    hint="Check that the process binlogs runs and that its account may replicate.",
    resolves_when="Binlogs have been received for 5 minutes, or the archive is disabled.",
    thresholds=(
        Threshold("warning", "Warning after", Unit.MINUTES, 1),
        Threshold("critical", "Critical after", Unit.MINUTES, 10),
    ),
    damping=STATE_DAMPING,
)
BINLOGS_BEHIND = Rule(
    name="binlogs_behind",
    title="Binlog archive is behind the source",
    about=BinlogFacts,
    check=check_lag,
    severity=Severity.WARNING,
    explanation="The source has more binlogs, in MiB, than were received.",
    hint="Check the network and the load of this host; a new archive catches up by itself.",
    resolves_when="The archive has been less behind for 5 minutes.",
    thresholds=(
        Threshold("warning", "Warning at MiB", Unit.COUNT, 256),
        Threshold("critical", "Critical at MiB", Unit.COUNT, 4096),
    ),
    damping=STATE_DAMPING,
)
BINLOGS_ASYNCHRONOUS = Rule(
    name="binlogs_asynchronous",
    title="Source fell back to asynchronous",
    about=BinlogFacts,
    check=check_synchronous,
    severity=Severity.CRITICAL,
    explanation="The archive is to acknowledge each commit, but the source does not wait for it: "
    "semi-synchronous replication is off or timed out, or another replica may answer first.",
    hint="Check that binlogs are received in time, and the source's rpl_semi_sync variables; with "
    "other semi-synchronous replicas let it wait for as many answers as it has replicas.",
    resolves_when="The source has waited for the archive for 5 minutes, or need not.",
    damping=STATE_DAMPING,
)
BINLOG_SETTINGS = Rule(
    name="binlog_settings",
    title="Binlog settings endanger recovery",
    about=BinlogFacts,
    check=check_settings,
    severity=Severity.WARNING,
    explanation="Settings of the source limit what the archive is good for: its format, or how "
    "soon binlogs are purged.",
    hint="Change the setting that the alert names.",
    resolves_when="The settings have been changed, and the receiver has connected again.",
)
BINLOGS_NOT_STORED = Rule(
    name="binlogs_not_stored",
    title="Binlogs are not stored in every repository",
    about=BinlogFacts,
    check=check_stored,
    severity=Severity.WARNING,
    explanation="Receiving continues; what a repository lacks stays on this host's disk until the "
    "repository has it.",
    hint="Make the repository reachable, or free space in it.",
    resolves_when="Everything was stored for 5 minutes.",
    pending_for=STATE_DAMPING,
    damping=STATE_DAMPING,
)
SPOOL_LOW = Rule(
    name="spool_low",
    title="Disk of the binlog spool is nearly full",
    about=BinlogFacts,
    check=check_spool,
    severity=Severity.WARNING,
    explanation="Without free space nothing is received. Binlogs leave the spool once every "
    "repository of their archive has them.",
    hint="Check why binlogs are not stored, or enlarge the disk of MOORING_HOME.",
    resolves_when="Free space has been above the threshold for 5 minutes.",
    thresholds=(
        Threshold("warning", "Warning at or below", Unit.PERCENT, 20),
        Threshold("critical", "Critical at or below", Unit.PERCENT, 10),
        Threshold("emergency", "Emergency at or below", Unit.PERCENT, 4),
    ),
    damping=STATE_DAMPING,
)
NOT_RECOVERABLE = Rule(
    name="not_recoverable",
    title="Not recoverable to the present",
    about=BinlogFacts,
    check=check_recoverable,
    severity=Severity.CRITICAL,
    explanation="No restorable backup and archived binlogs lead to the present without a gap. "
    "Until they do, a restore gives back an earlier moment only.",
    hint="Take a backup: recovery is possible from its end on.",
    resolves_when="A restorable backup joins binlogs that lead to the present.",
    # A new archive has its first piece after a minute.
    pending_for=2 * STATE_DAMPING,
)
RULES = (
    BINLOGS_NOT_RECEIVED,
    BINLOGS_BEHIND,
    BINLOGS_ASYNCHRONOUS,
    BINLOG_SETTINGS,
    BINLOGS_NOT_STORED,
    SPOOL_LOW,
    NOT_RECOVERABLE,
)
