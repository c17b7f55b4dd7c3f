"""Every status in the executor, and the only moves allowed between them.

Data only: no queries, no clock. Only the modules of ``backups.transitions`` write these values
to the database.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db import models


class Operation(models.TextChoices):
    """What a job does."""

    BACKUP = "backup", "Backup"
    RESTORE = "restore", "Restore"
    RESTORE_TABLE = "restore_table", "Table restore"
    VERIFY = "verify", "Verify"
    RESTORE_TEST = "restore_test", "Restore test"
    REHEARSAL = "rehearsal", "Upgrade rehearsal"
    CONSOLIDATE = "consolidate", "Consolidation"
    EXPORT = "export", "Export"
    PURGE = "purge", "Purge"
    COPY = "copy", "Copy"


class DrillPoint(models.TextChoices):
    """Where a restore test goes to from its backup: with binlogs it is a drill."""

    BACKUP = "backup", "The backup as it is"
    RANDOM = "random", "A random moment"  # drawn from the recoverable ranges
    NEWEST = "newest", "The newest moment"


class ProofTarget(models.TextChoices):
    """What a planned verify or restore test reads."""

    BACKUP = "backup", "The newest restorable backup"
    ANY = "any", "A random restorable backup"
    RANDOM = "random", "A random moment"  # of the recoverable ranges: a drill
    NEWEST = "newest", "The newest moment"  # a drill as well


class ObjectiveLevel(models.TextChoices):
    """How an instance stands against its recovery objectives."""

    NONE = "none", "No objective"
    MET = "met", "Within its objectives"
    AT_RISK = "at_risk", "Will be missed"  # met now, but not by the plan or the trend
    UNKNOWN = "unknown", "Unknown"  # nothing tells whether it is met
    MISSED = "missed", "Missed"


class ProofChoice(models.TextChoices):
    """Whom a schedule of verifies or restore tests proves at one of its due times."""

    EACH = "each", "Every instance, each time"
    ONCE = "once", "Each backup once"  # of each instance the newest without such a proof
    SAMPLED = "sampled", "A sample, so that each instance has its turn in time"


class BackupKind(models.TextChoices):
    """How much of the instance a backup holds, and whether it stands alone."""

    FULL = "full", "Full"  # stands alone
    INCREMENTAL = "incremental", "Incremental"  # changes since the previous backup
    DIFFERENTIAL = "differential", "Differential"  # changes since its full backup
    PARTIAL = "partial", "Partial"  # chosen tables only
    TTS = "tts", "Transportable"  # chosen tables, for import into a running instance


# What a schedule plans; the last two prove backups.
PROOFS = (Operation.VERIFY, Operation.RESTORE_TEST)
PLANNED_OPERATIONS = [(each.value, each.label) for each in (Operation.BACKUP, *PROOFS)]
# Those that only a server can reach.
MOMENTS = (ProofTarget.RANDOM, ProofTarget.NEWEST)

# Requested instead of a kind: a full or an incremental backup, whichever is due.
AUTO = "auto"
PLANNED_KINDS = [*BackupKind.choices, (AUTO, "Automatic")]
# The kinds that go on from another backup.
LINK_KINDS = (BackupKind.INCREMENTAL, BackupKind.DIFFERENTIAL)
# Of chosen tables: none of them protects the instance.
CHOSEN_KINDS = (BackupKind.PARTIAL, BackupKind.TTS)
# The kinds that need no other backup.
STANDALONE_KINDS = (BackupKind.FULL, *CHOSEN_KINDS)


class KindCause(models.TextChoices):
    """Why a backup job takes a full backup instead of another kind, or what is due."""

    NONE = "", "As requested"
    INCREMENTAL_DUE = "incremental_due", "An incremental backup is due"
    NO_BASE = "no_base", "There is nothing to go on from"
    CHAIN_FULL = "chain_full", "The chain is at its limit"
    BASE_UNUSABLE = "base_unusable", "The newest backup cannot be its base"
    SEQUENTIAL = "sequential", "Sequential media hold full backups only"
    FULL_OLD = "full_old", "The full backup of the chain is old"
    INCREMENTS_LARGE = "increments_large", "The increments are as large as full backups"
    FULL_OVERDUE = "full_overdue", "The planned full backup was not taken"


class HookTime(models.TextChoices):
    """When a hook runs: ahead of all stages of a job, around its copy, or at its end."""

    BEFORE = "before", "Before"
    BEFORE_COPY = "before-copy", "Before the copy"
    AFTER_COPY = "after-copy", "After the copy"
    AFTER = "after", "After"


# Those that also run where the job did not succeed.
LATE_HOOK_TIMES = (HookTime.AFTER_COPY, HookTime.AFTER)


class JobStatus(models.TextChoices):
    PENDING = "pending", "Pending"  # requested; queued for a worker or a free place
    RUNNING = "running", "Running"  # a worker holds its lease and renews it
    SUCCEEDED = "succeeded", "Succeeded"  # every stage finished and its outcome is recorded
    FAILED = "failed", "Failed"  # a stage failed; see error and hint
    REFUSED = "refused", "Refused"  # a check failed before anything was changed
    CANCELLED = "cancelled", "Cancelled"  # stopped on request; its partial output is removed
    LOST = "lost", "Lost"  # the worker's lease expired; how the job ended is unknown


JOB_MOVES: Mapping[JobStatus, frozenset[JobStatus]] = {
    JobStatus.PENDING: frozenset({JobStatus.RUNNING, JobStatus.REFUSED, JobStatus.CANCELLED}),
    JobStatus.RUNNING: frozenset(
        {
            JobStatus.SUCCEEDED,
            JobStatus.FAILED,
            JobStatus.REFUSED,
            JobStatus.CANCELLED,
            JobStatus.LOST,
        }
    ),
    JobStatus.SUCCEEDED: frozenset(),
    JobStatus.FAILED: frozenset(),
    JobStatus.REFUSED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
    JobStatus.LOST: frozenset(),
}


class StageStatus(models.TextChoices):
    PENDING = "pending", "Pending"  # not started yet
    RUNNING = "running", "Running"  # the job is executing it
    SUCCEEDED = "succeeded", "Succeeded"  # completed
    FAILED = "failed", "Failed"  # did not complete; the job's error says why
    REFUSED = "refused", "Refused"  # a check failed; the job's error says which
    SKIPPED = "skipped", "Skipped"  # not needed for this job, or never reached


STAGE_MOVES: Mapping[StageStatus, frozenset[StageStatus]] = {
    StageStatus.PENDING: frozenset({StageStatus.RUNNING, StageStatus.SKIPPED}),
    StageStatus.RUNNING: frozenset(
        {StageStatus.SUCCEEDED, StageStatus.FAILED, StageStatus.REFUSED}
    ),
    StageStatus.SUCCEEDED: frozenset(),
    StageStatus.FAILED: frozenset(),
    StageStatus.REFUSED: frozenset(),
    StageStatus.SKIPPED: frozenset(),
}


class CopyStatus(models.TextChoices):
    STORED = "stored", "Stored"  # its manifest was written, read back and decoded
    EXPIRED = "expired", "Expired"  # deletion decided and its reason recorded; being deleted
    PURGED = "purged", "Purged"  # its bytes are deleted


class CopyFault(models.TextChoices):
    """What a check of a stored copy found wrong with it. Such a copy protects nobody."""

    MISSING = "missing", "Missing"  # its manifest or a pack is not in the repository
    CHANGED = "changed", "Changed"  # what is there is not what was registered


COPY_MOVES: Mapping[CopyStatus, frozenset[CopyStatus]] = {
    CopyStatus.STORED: frozenset({CopyStatus.EXPIRED}),
    CopyStatus.EXPIRED: frozenset({CopyStatus.PURGED}),
    CopyStatus.PURGED: frozenset(),
}


class DeletionStatus(models.TextChoices):
    """How far the deletion of a copy is. Until it is decided, the copy is stored as before."""

    MARKED = "marked", "Marked for deletion"  # deleted when its delay is over, unless it is undone
    DELETING = "deleting", "Being deleted"  # the decision is final; the copy is expired
    DELETED = "deleted", "Deleted"  # the bytes are deleted
    KEPT = "kept", "Undone"  # a person keeps the copy
    WITHDRAWN = "withdrawn", "Withdrawn"  # the retention that marked it keeps it again


DELETION_MOVES: Mapping[DeletionStatus, frozenset[DeletionStatus]] = {
    DeletionStatus.MARKED: frozenset(
        {DeletionStatus.DELETING, DeletionStatus.KEPT, DeletionStatus.WITHDRAWN}
    ),
    DeletionStatus.DELETING: frozenset({DeletionStatus.DELETED}),
    DeletionStatus.DELETED: frozenset(),
    DeletionStatus.KEPT: frozenset(),
    DeletionStatus.WITHDRAWN: frozenset(),
}

OPEN_DELETION_STATUSES = frozenset(status for status, further in DELETION_MOVES.items() if further)


class ApprovalStatus(models.TextChoices):
    """What a second admin decided about a request for what cannot be undone."""

    REQUESTED = "requested", "Waiting"  # for a second admin, until it expires
    CONFIRMED = "confirmed", "Confirmed"  # carried out, if nothing that was shown has changed
    REJECTED = "rejected", "Rejected"  # an admin decided against it
    OUTDATED = "outdated", "Outdated"  # what was shown has changed, or it was requested again


APPROVAL_MOVES: Mapping[ApprovalStatus, frozenset[ApprovalStatus]] = {
    ApprovalStatus.REQUESTED: frozenset(
        {ApprovalStatus.CONFIRMED, ApprovalStatus.REJECTED, ApprovalStatus.OUTDATED}
    ),
    ApprovalStatus.CONFIRMED: frozenset(),
    ApprovalStatus.REJECTED: frozenset(),
    ApprovalStatus.OUTDATED: frozenset(),
}


class OccurrenceStatus(models.TextChoices):
    DUE = "due", "Due"  # its due time, or that of a retry, has passed; not claimed yet
    RUNNING = "running", "Running"  # its job is running
    SUCCEEDED = "succeeded", "Succeeded"  # its job, managed or observed, succeeded
    FAILED = "failed", "Failed"  # it ran, and no retry is left
    REFUSED = "refused", "Refused"  # its last attempt was refused, and no retry is left
    MISSED = "missed", "Missed"  # the window closed before anything ran; see the reason
    SKIPPED = "skipped", "Skipped"  # a later one replaces it; see the reason
    CANCELLED = "cancelled", "Cancelled"  # its job was cancelled; a window's end is WINDOW_END


OCCURRENCE_MOVES: Mapping[OccurrenceStatus, frozenset[OccurrenceStatus]] = {
    OccurrenceStatus.DUE: frozenset(
        {
            OccurrenceStatus.RUNNING,
            OccurrenceStatus.SUCCEEDED,
            OccurrenceStatus.FAILED,
            OccurrenceStatus.REFUSED,
            OccurrenceStatus.MISSED,
            OccurrenceStatus.SKIPPED,
            OccurrenceStatus.CANCELLED,
        }
    ),
    OccurrenceStatus.RUNNING: frozenset(
        {
            OccurrenceStatus.DUE,
            OccurrenceStatus.SUCCEEDED,
            OccurrenceStatus.FAILED,
            OccurrenceStatus.REFUSED,
            OccurrenceStatus.CANCELLED,
        }
    ),
    OccurrenceStatus.SUCCEEDED: frozenset(),
    OccurrenceStatus.FAILED: frozenset(),
    OccurrenceStatus.REFUSED: frozenset(),
    # An observed one, if its run appears in the history later; and the run that follows it.
    OccurrenceStatus.MISSED: frozenset({OccurrenceStatus.DUE}),
    OccurrenceStatus.SKIPPED: frozenset(),
    OccurrenceStatus.CANCELLED: frozenset(),
}


class WaitReason(models.TextChoices):
    """Why an occurrence has not started, or never did, or did not succeed."""

    NONE = "", "No obstacle"
    PAUSED = "paused", "The schedule is paused"
    SCHEDULE_DISABLED = "schedule_disabled", "The schedule is disabled"
    INSTANCE_DISABLED = "instance_disabled", "The instance is disabled"
    INSTANCE_UNREACHABLE = "instance_unreachable", "The instance cannot be reached"
    PREVIOUS_RUNNING = "previous_running", "The previous run has not ended"
    LIMIT = "limit", "A limit of concurrent jobs is reached"
    NO_WORKER = "no_worker", "No worker takes jobs from the queue"
    NOT_CLAIMED = "not_claimed", "No worker claimed the job in time"
    REPOSITORY = "repository", "The repository cannot be used"
    REFUSED = "refused", "A check refused it; see the detail"
    SCHEDULER_DOWN = "scheduler_down", "The scheduler was not running"
    NOTHING_SEEN = "nothing_seen", "The tool's own history shows no run"
    HISTORY_UNKNOWN = "history_unknown", "The tool's own history cannot be read"
    SUPERSEDED = "superseded", "A later occurrence replaced it"
    NO_RESULT = "no_result", "Not proven, for a reason that is not the copy's"
    NOTHING_TO_PROVE = "nothing_to_prove", "There is no restorable backup"
    PREDECESSOR = "predecessor", "The run that it follows did not succeed"
    FAILED = "failed", "An attempt failed"
    WILL_NOT_FIT = "will_not_fit", "It would not end within its window"
    WINDOW_SLOWED = "window_slowed", "Limited by the schedule since the end of the window"
    WINDOW_END = "window_end", "Stopped by the schedule at the end of the window"


TERMINAL_JOB_STATUSES = frozenset(status for status, moves in JOB_MOVES.items() if not moves)
ACTIVE_JOB_STATUSES = frozenset(JobStatus) - TERMINAL_JOB_STATUSES
TERMINAL_STAGE_STATUSES = frozenset(status for status, moves in STAGE_MOVES.items() if not moves)
OPEN_OCCURRENCE_STATUSES = frozenset({OccurrenceStatus.DUE, OccurrenceStatus.RUNNING})
TERMINAL_OCCURRENCE_STATUSES = frozenset(OccurrenceStatus) - OPEN_OCCURRENCE_STATUSES
