"""Which facts of jobs and planned runs do rules check?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.facts.subject import Facts


@dataclass(frozen=True, slots=True)
class FailureFacts(Facts):
    """The newest failed, refused, lost or stopped job of its kind, without a later success."""

    job_id: int
    operation: str
    kind: str
    status: str
    ended_at: datetime
    error: str = ""
    hint: str = ""
    failed_stage: str = ""
    # The scheduler will start another attempt.
    retry_planned: bool = False
    # Its schedule stopped it at the end of the window.
    overran: bool = False
    # How many failed since the last success.
    count: int = 1


@dataclass(frozen=True, slots=True)
class ActiveJobFacts(Facts):
    """A job that is running now."""

    operation: str
    kind: str
    started_at: datetime
    # As its schedule says, or estimated from earlier ones; None is unknown.
    expected: timedelta | None = None
    estimated: bool = False
    window_closes_at: datetime | None = None
    # When the last byte or log line arrived; None if silence means nothing.
    last_output_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LateFacts(Facts):
    """A planned run that is due and has not started."""

    due_at: datetime
    late_after: datetime
    missed_after: datetime
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class MissedFacts(Facts):
    """The newest missed run of a schedule for an instance, without a later success."""

    occurrence_id: int
    kind: str
    due_at: datetime
    missed_after: datetime
    reason: str = ""
    detail: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class UnprovenFacts(Facts):
    """Planned verifies or restore tests that were not done, without a later one that was."""

    occurrence_id: int
    operation: str
    # The newest of them, and the first.
    due_at: datetime
    since: datetime
    # Whether its window closed before it began; else it was refused, lost or stopped.
    missed: bool
    reason: str = ""
    detail: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class UnfitFacts(Facts):
    """The next run of a schedule for an instance, which will probably not fit its window."""

    schedule: str
    # None: due after a run of another schedule.
    due_at: datetime | None
    # The expected length, the window, and from how many runs that follows.
    reason: str
    # Its schedule does not start it.
    withheld: bool = False


@dataclass(frozen=True, slots=True)
class EvidenceFacts(Facts):
    """A stored copy whose newest verify, or newest restore test, failed."""

    evidence_id: int
    operation: str
    label: str
    repository: str
    tested_at: datetime
    error: str = ""


@dataclass(frozen=True, slots=True)
class DrillFacts(Facts):
    """An instance whose newest recovery to a moment failed; its binlogs are archived."""

    drill_id: int
    label: str
    moment: datetime
    failed_stage: str
    error: str
    drilled_at: datetime
    # Whether the backup that it began with passed its own restore test.
    backup_passed: bool = False


@dataclass(frozen=True, slots=True)
class BrokenEvidenceFacts(Facts):
    """An instance whose chain of evidence does not verify."""

    # Which row, and what is wrong with it.
    fault: str
    since: datetime


@dataclass(frozen=True, slots=True)
class SuccessFacts(Facts):
    """A backup job that has succeeded since the last evaluation."""

    kind: str
    ended_at: datetime
    run_time: timedelta | None
    raw_bytes: int | None = None
    lock_time: timedelta | None = None
    # What went wrong all the same.
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingCopyFacts(Facts):
    """Copies that the backups of an instance were to have in one repository, and have not."""

    repository: str
    count: int
    # Since when the oldest of them is missing.
    since: datetime
    # The newest attempt that failed, of which backup; blank if none has been made.
    label: str
    error: str = ""
    hint: str = ""
    failed_at: datetime | None = None
