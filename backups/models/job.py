"""Jobs: attempts at an operation, their stages, their log, and every change of status."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from backups.models.catalog import Backup, BackupCopy, Origin
from backups.models.instance import Instance
from backups.models.repository import Repository
from backups.pacing.reasons import PACE_REASONS
from backups.states import (
    ACTIVE_JOB_STATUSES,
    PLANNED_KINDS,
    BackupKind,
    JobStatus,
    KindCause,
    Operation,
    StageStatus,
)

# Requested by a schedule: nobody at a terminal or on a page was shown why it was refused.
UNATTENDED = (
    Q(occurrence__isnull=False)
    | Q(operation=Operation.PURGE, parameters__retention=True)
    # The delay of a marked copy was over.
    | Q(operation=Operation.PURGE, parameters__deletion__isnull=False)
)
# A cancelled job, or a refusal that a person was shown, must not hide the failure before it.
WITHOUT_RESULT = Q(status=JobStatus.CANCELLED) | (Q(status=JobStatus.REFUSED) & ~UNATTENDED)


class Job(models.Model):
    """One attempt at one operation on one instance or one of its backups."""

    operation = models.CharField(max_length=20, choices=Operation.choices)
    # PROTECT: deleting an instance must never erase the record of its backups.
    instance = models.ForeignKey(Instance, models.PROTECT, related_name="jobs")
    # The backup the job works on; null for a backup job, whose product points here instead.
    backup = models.ForeignKey(Backup, models.PROTECT, related_name="jobs", null=True, blank=True)
    # The copy that is read or deleted.
    # The base of a new backup, while it is taken: it must not be deleted meanwhile.
    base = models.ForeignKey(
        Backup, models.SET_NULL, related_name="jobs_going_on", null=True, blank=True
    )
    copy = models.ForeignKey(BackupCopy, models.PROTECT, related_name="jobs", null=True, blank=True)
    # The planned run it is an attempt at; null if a person requested it.
    occurrence = models.ForeignKey(
        "backups.Occurrence", models.SET_NULL, null=True, blank=True, related_name="jobs"
    )
    # Observed: run by another scheduler; this row was read from the tool's history.
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.MANAGED)
    # Observed: the tool's own name for the run. Read twice, it is the same job.
    observed_key = models.CharField(max_length=120, null=True, blank=True)  # noqa: DJ001 - nulls differ, blanks do not
    kind = models.CharField(max_length=20, choices=BackupKind.choices, blank=True)
    # Of a backup: what was requested or planned, and why it is of another kind, or what is due.
    requested_kind = models.CharField(max_length=20, choices=PLANNED_KINDS, blank=True)
    kind_cause = models.CharField(max_length=20, choices=KindCause.choices, blank=True)
    kind_reason = models.CharField(max_length=300, blank=True)
    engine = models.CharField(max_length=20, blank=True)
    repositories = models.ManyToManyField(Repository, related_name="jobs", blank=True)
    # Parameters of the request beyond the columns: restore target, owner, reason to force.
    parameters = models.JSONField(default=dict, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    requested_at = models.DateTimeField(default=now)

    status = models.CharField(max_length=10, choices=JobStatus.choices, default=JobStatus.PENDING)
    status_since = models.DateTimeField(default=now)
    # A request, not a status: the worker sees it within a second or two.
    cancel_requested = models.BooleanField(default=False)
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    failed_stage = models.CharField(max_length=40, blank=True)
    # The same for all jobs that failed the same way; see backups.transitions.failure_key.
    failure_key = models.CharField(max_length=32, blank=True)
    # Of a job that succeeded: what went wrong all the same, a line for each.
    problems = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    # The process that runs it. Every write of a worker names its token: once the lease has
    # been revoked the token is higher, and the write changes nothing.
    worker = models.CharField(max_length=120, blank=True)
    fencing_token = models.PositiveIntegerField(default=0)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    # Set while running: the resource no other job may work on, enforced by the unique key.
    exclusive_key = models.CharField(max_length=450, null=True, blank=True, unique=True)
    # The engine's process group and its start time, so that an orphan can be ended later
    # and another process with the same number is not.
    process_group = models.PositiveIntegerField(null=True, blank=True)
    process_started_at = models.FloatField(null=True, blank=True)
    woken_at = models.DateTimeField(null=True, blank=True)
    # Set while pending: the resource a claim had to wait for, and when the claim was tried.
    waits_for = models.CharField(max_length=450, blank=True)
    tried_at = models.DateTimeField(null=True, blank=True)
    # The label its backup will have; names its folder in each repository.
    label = models.CharField(max_length=120, blank=True)
    # Bytes on disk that belong to no result yet. Once the job has ended a tick removes them,
    # and retries until it succeeds.
    leftovers = models.BooleanField(default=False)

    progress_at = models.DateTimeField(null=True, blank=True)
    # When its last byte or log line arrived; null while stalls are not watched for.
    last_activity_at = models.DateTimeField(null=True, blank=True)
    bytes_done = models.BigIntegerField(default=0)
    # An estimate for a backup, exact for everything else; null is unknown.
    bytes_total = models.BigIntegerField(null=True, blank=True)
    stored_bytes = models.BigIntegerField(default=0)
    files_done = models.PositiveIntegerField(default=0)
    files_total = models.PositiveIntegerField(null=True, blank=True)
    current_file = models.CharField(max_length=1000, blank=True)
    rate_bytes_per_s = models.BigIntegerField(null=True, blank=True)
    lock_time = models.DurationField(null=True, blank=True)

    # The limit by hand, which a running copy reads again every few seconds. Null: as configured;
    # 0: full speed, whatever the instance notices.
    pace_limit = models.BigIntegerField(null=True, blank=True)
    # The limit in force, null: none; why, as a word and in full; and what was measured against
    # which target. Blank and null where no copy runs, and where it is unknown.
    pace_bytes_per_s = models.BigIntegerField(null=True, blank=True)
    pace_reason = models.CharField(max_length=20, choices=PACE_REASONS, blank=True)
    pace_detail = models.CharField(max_length=200, blank=True)
    pace_p99_ms = models.FloatField(null=True, blank=True)
    pace_target_ms = models.FloatField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=JobStatus.values), name="backups_job_status_valid"
            ),
            models.CheckConstraint(
                condition=Q(operation__in=Operation.values), name="backups_job_operation_valid"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["", *BackupKind.values]), name="backups_job_kind_valid"
            ),
            models.UniqueConstraint(
                fields=["instance", "observed_key"], name="backups_job_observed_once"
            ),
        ]
        indexes = [
            # For the ticks: expired leases, jobs queued for a worker.
            models.Index(fields=["status", "lease_expires_at"], name="backups_job_status_lease"),
            models.Index(fields=["status", "woken_at"], name="backups_job_status_woken"),
            models.Index(fields=["leftovers", "status"], name="backups_job_leftovers"),
            # An instance's history, newest first.
            models.Index(fields=["instance", "-id"], name="backups_job_instance_newest"),
            # Jobs that failed the same way.
            models.Index(
                fields=["operation", "failure_key", "-id"],
                name="backups_job_failed_alike",
                condition=~Q(failure_key=""),
            ),
            models.Index(
                fields=["instance", "operation", "-id"], name="backups_job_newest_of_sort"
            ),
            # Whether an instance succeeded later: without it SQLite scans the whole fleet.
            models.Index(
                fields=["instance", "operation", "status", "ended_at"],
                name="backups_job_later_of_sort",
            ),
            # Recent failures of the whole fleet.
            models.Index(fields=["status", "ended_at"], name="backups_job_status_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.get_operation_display().lower()} job {self.pk} of {self.instance.name}"

    @property
    def active(self) -> bool:
        return self.status in ACTIVE_JOB_STATUSES

    @property
    def exit_state(self) -> str:
        """How it ended, as a word for a badge."""
        return "with_problems" if self.exit_words else self.status

    @property
    def exit_words(self) -> str:
        """The words for it, where they are not those of the status."""
        # A worker may have been lost after it wrote down the problems.
        with_problems = self.problems and self.status == JobStatus.SUCCEEDED
        return "succeeded with problems" if with_problems else ""

    @property
    def worker_host(self) -> str:
        """The host of its worker; blank before it was claimed."""
        return self.worker.rpartition(":")[0]

    def run_time(self, at: datetime) -> timedelta | None:
        """How long the job ran, or has been running at ``at``; None before it started."""
        if self.started_at is None:
            return None
        return (self.ended_at or at) - self.started_at

    def time_left(self) -> timedelta | None:
        """The time the remaining bytes take at the present rate; None if unknown."""
        if not self.active or not self.rate_bytes_per_s or self.bytes_total is None:
            return None
        left = max(0, self.bytes_total - self.bytes_done)
        return timedelta(seconds=left / self.rate_bytes_per_s)


class JobStage(models.Model):
    """One sub-operation of a job."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="stages")
    # Sub-operations of the engine have the stage that ran the engine as their parent.
    parent = models.ForeignKey(
        "self", models.CASCADE, related_name="children", null=True, blank=True
    )
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=40)
    status = models.CharField(
        max_length=10, choices=StageStatus.choices, default=StageStatus.PENDING
    )
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    bytes_done = models.BigIntegerField(default=0)
    bytes_total = models.BigIntegerField(null=True, blank=True)
    lock_time = models.DurationField(null=True, blank=True)
    detail = models.TextField(blank=True)

    class Meta:
        ordering = ["job", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["job", "position"], name="backups_jobstage_one_per_position"
            ),
            models.CheckConstraint(
                condition=Q(status__in=StageStatus.values), name="backups_jobstage_status_valid"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of job {self.job_id}"

    def run_time(self, at: datetime) -> timedelta | None:
        """How long the stage took, or has taken at ``at``; None before it started."""
        if self.started_at is None:
            return None
        return (self.ended_at or at) - self.started_at


class JobEvent(models.Model):
    """Something that happened to a job. Never edited."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="events")
    created_at = models.DateTimeField(default=now)
    old_status = models.CharField(max_length=10, blank=True)
    new_status = models.CharField(max_length=10)
    actor = models.CharField(max_length=150, blank=True)
    reason = models.TextField(blank=True)

    class Meta:
        ordering = ["job", "id"]

    def __str__(self) -> str:
        return f"job {self.job_id}: {self.old_status or 'new'} to {self.new_status}"


class LogLevel(models.TextChoices):
    INFO = "info", "Info"
    WARNING = "warning", "Warning"
    ERROR = "error", "Error"


class JobLogLine(models.Model):
    """One log line of a job or its engine."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="log_lines")
    logged_at = models.DateTimeField()
    level = models.CharField(max_length=10, choices=LogLevel.choices, default=LogLevel.INFO)
    # The tool or the stage that wrote it.
    source = models.CharField(max_length=40)
    text = models.TextField()

    class Meta:
        ordering = ["job", "id"]
        indexes = [models.Index(fields=["job", "id"], name="backups_jobline_job_order")]

    def __str__(self) -> str:
        return self.text
