"""What do the rules know of jobs and of planned runs?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts.facts.subject import Facts


@dataclass(frozen=True, slots=True)
class FailureFacts(Facts):
    """The newest failed, lost or stopped job of its sort that no later success made good."""

    job_id: int
    operation: str
    kind: str
    status: str
    ended_at: datetime
    error: str = ""
    hint: str = ""
    failed_stage: str = ""
    # Another attempt follows by itself.
    retry_waits: bool = False
    # Its schedule stopped it when its window closed.
    overran: bool = False
    # How many ended like this since the last success.
    count: int = 1


@dataclass(frozen=True, slots=True)
class ActiveJobFacts(Facts):
    """A job that is running now."""

    operation: str
    kind: str
    started_at: datetime
    # As its schedule says, or learnt from earlier ones; None is unknown.
    expected: timedelta | None = None
    learnt: bool = False
    window_closes_at: datetime | None = None
    # When its last byte or log line came; None where silence means nothing.
    last_activity_at: datetime | None = None


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
    """The newest missed run of a schedule for an instance that no later success made good."""

    occurrence_id: int
    kind: str
    due_at: datetime
    missed_after: datetime
    reason: str = ""
    detail: str = ""
    count: int = 1


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
class SuccessFacts(Facts):
    """A backup job that succeeded since the rules were last asked."""

    kind: str
    ended_at: datetime
    run_time: timedelta | None
    raw_bytes: int | None = None
    lock_time: timedelta | None = None
