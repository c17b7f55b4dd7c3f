"""Every status in the executor, and the only moves allowed between them.

Pure data: no queries, no clock. ``backups.transitions`` is the one module that
writes these values to the database.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models


class Operation(models.TextChoices):
    """What a job does."""

    BACKUP = "backup", "Backup"
    RESTORE = "restore", "Restore"
    VERIFY = "verify", "Verify"
    RESTORE_TEST = "restore_test", "Restore test"
    PURGE = "purge", "Purge"


class BackupKind(models.TextChoices):
    """How much of the instance a backup holds, and whether it stands alone."""

    FULL = "full", "Full"  # stands alone
    INCREMENTAL = "incremental", "Incremental"  # what changed since the backup before it
    DIFFERENTIAL = "differential", "Differential"  # what changed since its full
    PARTIAL = "partial", "Partial"  # chosen tables only
    TTS = "tts", "Transportable"  # chosen tables, to be imported into a running instance


class JobStatus(models.TextChoices):
    PENDING = "pending", "Pending"  # asked for; waiting for a worker, or for its turn
    RUNNING = "running", "Running"  # a worker owns it and is renewing its lease
    SUCCEEDED = "succeeded", "Succeeded"  # every stage finished and its outcome is recorded
    FAILED = "failed", "Failed"  # a stage failed; see error and hint
    CANCELLED = "cancelled", "Cancelled"  # a person stopped it; nothing of it is left
    LOST = "lost", "Lost"  # its worker's lease ran out; nothing is known of how it ended


JOB_MOVES: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.PENDING: frozenset({JobStatus.RUNNING, JobStatus.FAILED, JobStatus.CANCELLED}),
    JobStatus.RUNNING: frozenset(
        {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.LOST}
    ),
    JobStatus.SUCCEEDED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
    JobStatus.LOST: frozenset(),
}


class StageStatus(models.TextChoices):
    PENDING = "pending", "Pending"  # its job has not come to it
    RUNNING = "running", "Running"  # its job is in it
    SUCCEEDED = "succeeded", "Succeeded"  # did what it is for
    FAILED = "failed", "Failed"  # did not; the job's error says why
    SKIPPED = "skipped", "Skipped"  # not needed for this job, or never reached


STAGE_MOVES: Mapping[StageStatus, frozenset[StageStatus]] = {
    StageStatus.PENDING: frozenset({StageStatus.RUNNING, StageStatus.SKIPPED}),
    StageStatus.RUNNING: frozenset({StageStatus.SUCCEEDED, StageStatus.FAILED}),
    StageStatus.SUCCEEDED: frozenset(),
    StageStatus.FAILED: frozenset(),
    StageStatus.SKIPPED: frozenset(),
}


class CopyStatus(models.TextChoices):
    STORED = "stored", "Stored"  # its manifest was written, read back and decoded
    EXPIRED = "expired", "Expired"  # may go, and why is recorded; its bytes are being deleted
    PURGED = "purged", "Purged"  # its bytes are gone


COPY_MOVES: Mapping[CopyStatus, frozenset[CopyStatus]] = {
    CopyStatus.STORED: frozenset({CopyStatus.EXPIRED}),
    CopyStatus.EXPIRED: frozenset({CopyStatus.PURGED}),
    CopyStatus.PURGED: frozenset(),
}

TERMINAL_JOB_STATUSES = frozenset(status for status, moves in JOB_MOVES.items() if not moves)
ACTIVE_JOB_STATUSES = frozenset(JobStatus) - TERMINAL_JOB_STATUSES
TERMINAL_STAGE_STATUSES = frozenset(status for status, moves in STAGE_MOVES.items() if not moves)
