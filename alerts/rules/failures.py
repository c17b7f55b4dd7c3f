"""Has a job failed, or been lost, without a later one making it good?"""

from __future__ import annotations

from alerts.facts.run import FailureFacts
from alerts.rules.base import Finding, Limits, Rule
from alerts.states import Severity
from backups.states import BackupKind, JobStatus, Operation


def check_failed(facts: FailureFacts, limits: Limits) -> Finding | None:
    if facts.overran:
        return _finding(facts, f"{words_of(facts)} was stopped when its window closed")
    if facts.status != JobStatus.FAILED:
        return None
    where = f" in {facts.failed_stage}" if facts.failed_stage else ""
    said = f": {facts.error}" if facts.error else ""
    return _finding(facts, f"{words_of(facts)} failed{where}{said}")


def check_lost(facts: FailureFacts, limits: Limits) -> Finding | None:
    if facts.status != JobStatus.LOST:
        return None
    return _finding(facts, f"{words_of(facts)} was lost: its worker stopped renewing the lease")


def words_of(facts: FailureFacts) -> str:
    """Name the job as people do: ``full backup``, ``restore test``."""
    operation = Operation(facts.operation).label.lower()
    if facts.operation != Operation.BACKUP or not facts.kind:
        return operation
    return f"{BackupKind(facts.kind).label.lower()} {operation}"


def _finding(facts: FailureFacts, message: str) -> Finding:
    if facts.count > 1:
        message = f"{message} ({facts.count} since the last success)"
    return Finding(
        message=f"{message}; a retry follows" if facts.retry_waits else message,
        severity=_severity(facts),
        facts={
            "job": facts.job_id,
            "ended_at": facts.ended_at.isoformat(),
            "failures_since_success": facts.count,
            "retry_follows": facts.retry_waits,
        },
        hint=facts.hint,
        episode=f"job:{facts.job_id}",
    )


def _severity(facts: FailureFacts) -> Severity | None:
    """A backup that will not be there is the rule's own affair; the rest is milder."""
    if facts.retry_waits:
        return Severity.WARNING
    if facts.operation == Operation.BACKUP:
        return None
    return Severity.CRITICAL if facts.operation == Operation.RESTORE else Severity.WARNING


OVER = (
    "A later job of its sort succeeds; for an incremental or differential backup, a full one too."
)

JOB_FAILED = Rule(
    name="job_failed",
    title="Job failed",
    about=FailureFacts,
    check=check_failed,
    severity=Severity.EMERGENCY,
    explanation="A job ended without doing what it is for. An emergency where a backup is not "
    "there; a warning while a retry follows and for verify, restore test and purge; critical "
    "for a restore. A job that a person cancelled is no failure; one that its schedule stopped "
    "when its window closed is one.",
    hint="Open the job: its failed stage and its log say what went wrong.",
    over=OVER,
    # Only the newest one of a sort is found: a job that is lost hides the one that failed before.
    taken_over_by=("job_lost",),
)
JOB_LOST = Rule(
    name="job_lost",
    title="Job lost",
    about=FailureFacts,
    check=check_lost,
    severity=Severity.EMERGENCY,
    explanation="The worker of a job stopped renewing its lease: it was killed, its host is "
    "gone, or it lost the database. Nothing is known of how the job ended.",
    hint="Look at the worker's log and host; the job can be started again at once.",
    over=OVER,
    taken_over_by=("job_failed",),
)
RULES = (JOB_FAILED, JOB_LOST)
