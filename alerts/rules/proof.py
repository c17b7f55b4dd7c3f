"""Do the copies prove good, are there enough of them, and were they ever really restored?"""

from __future__ import annotations

from alerts.facts.instance import BackupFacts, InstanceFacts
from alerts.facts.run import EvidenceFacts
from alerts.rules.base import Finding, Limits, Rule, Threshold, Unit
from alerts.rules.punctuality import moment
from alerts.states import Severity
from backups.states import Operation
from backups.units import format_duration


def check_verify(facts: EvidenceFacts, limits: Limits) -> Finding | None:
    return _failed(facts, Operation.VERIFY, "does not verify")


def check_restore_test(facts: EvidenceFacts, limits: Limits) -> Finding | None:
    return _failed(facts, Operation.RESTORE_TEST, "did not pass its restore test")


def check_test_age(facts: InstanceFacts, limits: Limits) -> Finding | None:
    """Judge instances that have backups; without a test, count from when they were added."""
    if not facts.last_success:
        return None
    since = facts.restore_tested_at or facts.created_at
    severity = limits.reached(facts.now - since)
    if severity is None:
        return None
    age = format_duration(facts.now - since)
    tested = facts.restore_tested_at is not None
    return Finding(
        message=f"last restore test passed {age} ago ({moment(since)})"
        if tested
        else f"no restore test has passed in the {age} since it was added",
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


def _failed(facts: EvidenceFacts, operation: Operation, words: str) -> Finding | None:
    if facts.operation != operation:
        return None
    said = f": {facts.error}" if facts.error else ""
    return Finding(
        message=f"{facts.label} in {facts.repository} {words}{said}",
        facts={"evidence": facts.evidence_id, "tested_at": facts.tested_at.isoformat()},
        episode=f"evidence:{facts.evidence_id}",
    )


_OVER = "A later one of this copy passes, or the copy is expired or purged."

VERIFY_FAILED = Rule(
    name="verify_failed",
    title="Verify failed",
    about=EvidenceFacts,
    check=check_verify,
    severity=Severity.CRITICAL,
    explanation="The stored bytes of a copy are not those that were written.",
    hint="Take a new backup, and look at the disk of the repository.",
    over=_OVER,
)
RESTORE_TEST_FAILED = Rule(
    name="restore_test_failed",
    title="Restore test failed",
    about=EvidenceFacts,
    check=check_restore_test,
    severity=Severity.CRITICAL,
    explanation="A copy was really restored and the server did not start, or a table was not "
    "whole: from this copy nothing can be relied on.",
    hint="Take a new backup and test that; open the job to see what broke.",
    over=_OVER,
)
RESTORE_TEST_OLD = Rule(
    name="restore_test_old",
    title="Restore test is too old",
    about=InstanceFacts,
    check=check_test_age,
    severity=Severity.NOTICE,
    explanation="An instance has backups, and none of them was restored to prove it for a while.",
    hint="Run testrestore for its newest backup.",
    over="A restore test passes.",
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
    explanation="The newest backup of its kind is in fewer repositories than its job was to "
    "write to. Critical when no copy is left.",
    hint="Take a new backup, and look why a copy is gone.",
    over="The next backup of its kind has all its copies.",
)
RULES = (VERIFY_FAILED, RESTORE_TEST_FAILED, RESTORE_TEST_OLD, COPIES_MISSING)
