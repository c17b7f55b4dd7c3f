"""Did a job fail, or was it refused or lost, without a later success?"""

from __future__ import annotations

from alerts.facts.run import FailureFacts
from alerts.rules.base import Finding, Limits, Rule
from alerts.states import Severity
from backups.states import BackupKind, JobStatus, Operation


def check_failed(facts: FailureFacts, limits: Limits) -> Finding | None:
    if facts.overran:
        return _finding(facts, f"{job_name(facts)} was stopped when its window closed")
    if facts.status != JobStatus.FAILED:
        return None
    where = f" in {facts.failed_stage}" if facts.failed_stage else ""
    reason = f": {facts.error}" if facts.error else ""
    return _finding(facts, f"{job_name(facts)} failed{where}{reason}")


def check_refused(facts: FailureFacts, limits: Limits) -> Finding | None:
    if facts.status != JobStatus.REFUSED:
        return None
    where = f" in {facts.failed_stage}" if facts.failed_stage else ""
    # The error of the job begins with the same words.
    reason = facts.error.removeprefix(f"{facts.failed_stage} refused: ")
    return _finding(facts, f"{job_name(facts)} was refused{where}: {reason}")


def check_lost(facts: FailureFacts, limits: Limits) -> Finding | None:
    if facts.status != JobStatus.LOST:
        return None
    return _finding(facts, f"{job_name(facts)} was lost: its worker stopped renewing the lease")


def job_name(facts: FailureFacts) -> str:
    """Return the usual name of the job: ``full backup``, ``restore test``."""
    operation = Operation(facts.operation).label.lower()
    if facts.operation != Operation.BACKUP or not facts.kind:
        return operation
    return f"{BackupKind(facts.kind).label.lower()} {operation}"


def _finding(facts: FailureFacts, message: str) -> Finding:
    if facts.count > 1:
        message = f"{message} ({facts.count} since the last success)"
    return Finding(
        message=f"{message}; it will be retried" if facts.retry_planned else message,
        severity=_severity(facts),
        facts={
            "job": facts.job_id,
            "ended_at": facts.ended_at.isoformat(),
            "failures_since_success": facts.count,
            "retry_planned": facts.retry_planned,
        },
        hint=facts.hint,
        episode=f"job:{facts.job_id}",
    )


def _severity(facts: FailureFacts) -> Severity | None:
    """Return None, the severity of the rule, for a missing backup; the rest is less severe."""
    if facts.retry_planned:
        return Severity.WARNING
    if facts.operation == Operation.BACKUP:
        return None
    return Severity.CRITICAL if facts.operation == Operation.RESTORE else Severity.WARNING


RESOLVES_WHEN = (
    "A later job of the same operation and kind succeeds; for an incremental or differential "
    "backup, also a full backup."
)

JOB_FAILED = Rule(
    name="job_failed",
    title="Job failed",
    about=FailureFacts,
    check=check_failed,
    severity=Severity.EMERGENCY,
    explanation="A job failed. Emergency for a missing backup; critical for a restore; warning "
    "while a retry is planned, and for verify, restore test and purge. A job that a person "
    "cancelled is not a failure; a job stopped at the end of its window is.",
    hint="Open the job: its failed stage and its log show the cause.",
    resolves_when=RESOLVES_WHEN,
    # Only the newest failure per operation and kind is found: a lost job hides a failed one.
    superseded_by=("job_refused", "job_lost"),
)
JOB_REFUSED = Rule(
    name="job_refused",
    title="Scheduled job refused",
    about=FailureFacts,
    check=check_refused,
    severity=Severity.EMERGENCY,
    explanation="A check refused a job that a schedule had started, before anything was changed. "
    "Emergency for a missing backup; warning while a retry is planned, and for purge. A job that a "
    "person started raises no alert: its command or page shows why it was refused.",
    hint="Open the job: its error names each failed check.",
    resolves_when=RESOLVES_WHEN,
    superseded_by=("job_failed", "job_lost"),
)
JOB_LOST = Rule(
    name="job_lost",
    title="Job lost",
    about=FailureFacts,
    check=check_lost,
    severity=Severity.EMERGENCY,
    explanation="The worker of the job stopped renewing its lease: it was killed, its host went "
    "down, or it lost its connection to the database. The result of the job is unknown.",
    hint="Check the log and the host of the worker; the job can be started again at once.",
    resolves_when=RESOLVES_WHEN,
    superseded_by=("job_failed", "job_refused"),
)
RULES = (JOB_FAILED, JOB_REFUSED, JOB_LOST)
