"""Are the copies intact, are there enough of them, and has a restore test passed?"""

from __future__ import annotations

from alerts.facts.instance import BackupFacts, InstanceFacts
from alerts.facts.run import BrokenEvidenceFacts, DrillFacts, EvidenceFacts
from alerts.rules.base import Finding, Limits, Rule, Threshold, Unit
from alerts.rules.punctuality import moment
from alerts.states import Severity
from backups.states import Operation
from backups.units import format_duration


def check_verify(facts: EvidenceFacts, limits: Limits) -> Finding | None:
    return _failed(facts, Operation.VERIFY, "failed verify")


def check_restore_test(facts: EvidenceFacts, limits: Limits) -> Finding | None:
    return _failed(facts, Operation.RESTORE_TEST, "failed its restore test")


def check_test_age(facts: InstanceFacts, limits: Limits) -> Finding | None:
    """Check instances with backups; without a test, count from when they were added."""
    if not facts.last_success:
        return None
    since = facts.restore_tested_at or facts.created_at
    severity = limits.reached(facts.now - since)
    if severity is None:
        return None
    age = format_duration(facts.now - since)
    tested = facts.restore_tested_at is not None
    return Finding(
        message=f"last passed a restore test {age} ago ({moment(since)})"
        if tested
        else f"no restore test has passed since it was added {age} ago",
        severity=severity,
        facts={"tested_at": since.isoformat() if tested else None},
    )


def check_copies(facts: BackupFacts, limits: Limits) -> Finding | None:
    if facts.wanted_copies is None or facts.stored_copies >= facts.wanted_copies:
        return None
    none_left = facts.stored_copies == 0
    return Finding(
        message=f"{facts.backup.label} has {facts.stored_copies} of {facts.wanted_copies} copies",
        severity=Severity.CRITICAL if none_left else None,
        facts={
            "backup": facts.backup.label,
            "wanted": facts.wanted_copies,
            "stored": facts.stored_copies,
        },
        episode=f"backup:{facts.backup.id}",
    )


def check_drill(facts: DrillFacts, limits: Limits) -> Finding | None:
    """Say which part failed: it is the replay, not the backup, if that has passed its own test."""
    backup = "itself passed its restore test" if facts.backup_passed else "itself was not tested"
    return Finding(
        message=f"recovery to {moment(facts.moment)} failed in {facts.failed_stage}: "
        f"{facts.error}; the backup {facts.label} {backup}",
        facts={
            "drill": facts.drill_id,
            "drilled_at": facts.drilled_at.isoformat(),
            "backup_passed": facts.backup_passed,
        },
        episode=f"drill:{facts.drill_id}",
    )


def check_chain(facts: BrokenEvidenceFacts, limits: Limits) -> Finding | None:
    return Finding(
        message=f"the chain of evidence is broken: {facts.fault}",
        facts={"found_at": facts.since.isoformat()},
        episode=f"chain:{facts.since.isoformat()}",
    )


def _failed(facts: EvidenceFacts, operation: Operation, failure: str) -> Finding | None:
    if facts.operation != operation:
        return None
    reason = f": {facts.error}" if facts.error else ""
    return Finding(
        message=f"{facts.label} in {facts.repository} {failure}{reason}",
        facts={"evidence": facts.evidence_id, "tested_at": facts.tested_at.isoformat()},
        episode=f"evidence:{facts.evidence_id}",
    )


_RESOLVES_WHEN = "A later check of this copy passes, or the copy is expired or purged."

VERIFY_FAILED = Rule(
    name="verify_failed",
    title="Verify failed",
    about=EvidenceFacts,
    check=check_verify,
    severity=Severity.CRITICAL,
    explanation="The stored bytes of a copy differ from those that were written.",
    hint="Start a new backup, and check the disk of the repository.",
    resolves_when=_RESOLVES_WHEN,
)
RESTORE_TEST_FAILED = Rule(
    name="restore_test_failed",
    title="Restore test failed",
    about=EvidenceFacts,
    check=check_restore_test,
    severity=Severity.CRITICAL,
    explanation="A copy was restored, and its server did not start or a table was damaged. Do "
    "not rely on this copy.",
    hint="Open the job to see what failed; start a new backup and a restore test of it.",
    resolves_when=_RESOLVES_WHEN,
)
DRILL_FAILED = Rule(
    name="drill_failed",
    title="Recovery to a moment failed",
    about=DrillFacts,
    check=check_drill,
    severity=Severity.CRITICAL,
    explanation="A restore test went on to a moment of the recoverable range, and archived binlogs "
    "could not be found or applied, or the server or a table was damaged afterwards. The "
    "instance may not be recoverable to the moments that are shown.",
    hint="Open the job to see what failed; take a backup, and start a drill from it.",
    resolves_when="A later drill of the instance passes, or its binlogs are no longer archived.",
)
EVIDENCE_CHANGED = Rule(
    name="evidence_changed",
    title="Evidence was changed",
    about=BrokenEvidenceFacts,
    check=check_chain,
    severity=Severity.CRITICAL,
    explanation="A row of evidence (a verify, restore test, drill or rehearsal) was changed, "
    "removed or put in after it was recorded. Mooring never does so: somebody wrote to its "
    "database, or part of the database was lost.",
    hint="Run verifyevidence, and compare its head with the one that was sent elsewhere; restore "
    "Mooring's database, or start new restore tests.",
    resolves_when="A full verification, weekly or by verifyevidence, finds the chain whole.",
)
RESTORE_TEST_OLD = Rule(
    name="restore_test_old",
    title="Restore test is too old",
    about=InstanceFacts,
    check=check_test_age,
    severity=Severity.NOTICE,
    explanation="The instance has backups, but none has passed a restore test recently.",
    hint="Run testrestore for its newest backup.",
    resolves_when="A restore test passes.",
    thresholds=(
        Threshold("notice", "Notice after", Unit.DAYS, 35),
        Threshold("warning", "Warning after", Unit.DAYS, None),
    ),
)
COPIES_MISSING = Rule(
    name="copies_missing",
    title="Fewer copies than wanted",
    about=BackupFacts,
    check=check_copies,
    severity=Severity.WARNING,
    explanation="The newest backup of its kind is stored in fewer repositories than requested. "
    "Critical if no copy is left.",
    hint="Start a new backup, and check why a copy is missing.",
    resolves_when="The next backup of its kind has all its copies.",
)
RULES = (
    VERIFY_FAILED,
    RESTORE_TEST_FAILED,
    DRILL_FAILED,
    EVIDENCE_CHANGED,
    RESTORE_TEST_OLD,
    COPIES_MISSING,
)
