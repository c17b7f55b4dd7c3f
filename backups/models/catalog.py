"""The catalog: the record of every backup, of its copies, and of what proves them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from backups.models.instance import Instance
from backups.models.repository import Repository
from backups.states import BackupKind, CopyFault, CopyStatus, Operation

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class Origin(models.TextChoices):
    MANAGED = "managed", "Managed"  # taken by Mooring
    OBSERVED = "observed", "Observed"  # taken by another scheduler; read from the tool's history


class Backup(models.Model):
    """What a finished backup job produced: it exists because its manifest was read back."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    label = models.CharField(max_length=120, unique=True)
    instance = models.ForeignKey(Instance, models.PROTECT, related_name="backups")
    # Null if the catalog was rebuilt from a repository: the job was lost with the old database.
    made_by = models.OneToOneField(
        "backups.Job", models.SET_NULL, null=True, blank=True, related_name="product"
    )
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.MANAGED)
    kind = models.CharField(max_length=20, choices=BackupKind.choices)
    # The backup this one needs for a restore. PROTECT: a base outlives its dependents.
    base = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="dependents"
    )
    # The label of the link it was made of, without a server; blank for all others.
    consolidated_from = models.CharField(max_length=120, blank=True)
    engine = models.CharField(max_length=20)

    from_lsn = models.BigIntegerField(null=True, blank=True)
    to_lsn = models.BigIntegerField(null=True, blank=True)
    binlog_file = models.CharField(max_length=255, blank=True)
    binlog_position = models.BigIntegerField(null=True, blank=True)
    gtid_executed = models.TextField(blank=True)
    server_version = models.CharField(max_length=80, blank=True)
    tool_version = models.CharField(max_length=80, blank=True)
    # Further facts from the engine, under the engine's own names.
    facts = models.JSONField(default=dict, blank=True)
    # Which tables a partial backup has; see ``backups.table_names.choice``. Empty: it is none.
    choice = models.JSONField(default=dict, blank=True)
    # What the copy cost the instance; see ``backups.pacing.facts``. Empty is unknown.
    pace = models.JSONField(default=dict, blank=True)

    # Null is unknown: a tool's history does not record the size.
    raw_bytes = models.BigIntegerField(null=True, blank=True)
    # Of all files after a restore; one with a base stores less.
    restored_bytes = models.BigIntegerField(null=True, blank=True)
    stored_bytes = models.BigIntegerField(null=True, blank=True)
    file_count = models.PositiveIntegerField(null=True, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    # None is unknown, not zero.
    lock_time = models.DurationField(null=True, blank=True)

    pinned = models.BooleanField(default=False)
    pinned_reason = models.CharField(max_length=200, blank=True)
    # A hold is a pin that ends by itself. Null: there was none.
    held_until = models.DateTimeField(null=True, blank=True)
    held_reason = models.CharField(max_length=200, blank=True)
    held_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-ended_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=BackupKind.values), name="backups_backup_kind_valid"
            ),
            models.CheckConstraint(
                condition=Q(origin__in=Origin.values), name="backups_backup_origin_valid"
            ),
        ]
        indexes = [
            models.Index(fields=["instance", "-ended_at"], name="backups_backup_newest"),
            models.Index(
                fields=["instance", "kind", "-ended_at"], name="backups_backup_newest_kind"
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def run_time(self) -> timedelta:
        return self.ended_at - self.started_at

    # Django leaves a method alone that a model has; the plug-in of mypy does not know that.
    def get_kind_display(self) -> str:  # type: ignore[no-redef]
        """Return its kind in words: a partial one may be based on another of its tables."""
        if self.kind == BackupKind.PARTIAL and self.base_id is not None:
            return "Partial increment"
        return BackupKind(self.kind).label if self.kind in BackupKind.values else self.kind

    def held(self, at: datetime) -> bool:
        """Whether a hold keeps it at ``at``."""
        return self.held_until is not None and at < self.held_until


class BackupAncestor(models.Model):
    """A backup that another one needs for a restore: its base, the base of that, and so on."""

    backup = models.ForeignKey(Backup, models.CASCADE, related_name="ancestors")
    # PROTECT: it outlives its dependents.
    ancestor = models.ForeignKey(Backup, models.PROTECT, related_name="descendants")
    # The number in the chain; the full backup is 0.
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["backup", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["backup", "position"], name="backups_ancestor_one_per_position"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.backup.label} needs {self.ancestor.label}"


class BackupTables(models.Model):
    """Which tables are in a backup: written with its row, so that pages read no repository."""

    backup = models.OneToOneField(Backup, models.CASCADE, related_name="tables")
    # Compressed JSON; see ``backups.catalog.contents``.
    content = models.BinaryField()

    class Meta:
        verbose_name_plural = "tables of backups"

    def __str__(self) -> str:
        return f"tables of {self.backup.label}"


class BackupCopy(models.Model):
    """A backup's bytes in one repository."""

    backup = models.ForeignKey(Backup, models.PROTECT, related_name="copies")
    repository = models.ForeignKey(Repository, models.PROTECT, related_name="copies")
    # Folder of the copy, relative to the repository.
    path = models.CharField(max_length=400)
    status = models.CharField(max_length=10, choices=CopyStatus.choices, default=CopyStatus.STORED)
    status_since = models.DateTimeField(default=now)
    stored_bytes = models.BigIntegerField()
    pack_count = models.PositiveIntegerField()
    # Which key-encryption key wraps its data key; blank means that it is not encrypted.
    key_id = models.CharField(max_length=40, blank=True)
    # Identifies the registered manifest: a copy with another one was changed. Blank is unknown.
    manifest_digest = models.CharField(max_length=64, blank=True)
    # What the last check of the repository found wrong; blank if nothing.
    fault = models.CharField(max_length=10, choices=CopyFault.choices, blank=True)
    fault_detail = models.CharField(max_length=300, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    # Why no available key opens it; blank if one did at the last check.
    key_fault = models.CharField(max_length=300, blank=True)
    expire_reason = models.CharField(max_length=300, blank=True)
    # Until when the store refuses to delete any of its objects, and when it last said so.
    locked_until = models.DateTimeField(null=True, blank=True)
    lock_checked_at = models.DateTimeField(null=True, blank=True)
    # A version of an object that is no newer was looked at when its older ones were recovered.
    recovered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["backup", "id"]
        verbose_name_plural = "backup copies"
        constraints = [
            models.UniqueConstraint(
                fields=["backup", "repository"], name="backups_copy_one_per_repository"
            ),
            models.CheckConstraint(
                condition=Q(status__in=CopyStatus.values), name="backups_copy_status_valid"
            ),
            models.CheckConstraint(
                condition=Q(fault__in=["", *CopyFault.values]), name="backups_copy_fault_valid"
            ),
        ]
        indexes = [
            # What a repository holds, summed from the index alone; and whether any copy is
            # unencrypted, which every page queries.
            models.Index(
                fields=["repository", "status", "stored_bytes", "backup"],
                name="backups_copy_stored",
            ),
            models.Index(fields=["repository", "key_id", "status"], name="backups_copy_clear"),
            models.Index(fields=["status", "checked_at"], name="backups_copy_checked"),
            models.Index(
                fields=["repository", "fault"],
                name="backups_copy_fault",
                condition=~Q(fault=""),
            ),
            models.Index(
                fields=["repository", "key_id"],
                name="backups_copy_key_fault",
                condition=~Q(key_fault=""),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.backup.label} in {self.repository.name}"

    @property
    def encrypted(self) -> bool:
        return bool(self.key_id)

    @property
    def shares_disk(self) -> bool:
        return self.repository.shares_disk_with(self.backup.instance)


class EvidenceQuerySet(models.QuerySet["Evidence"]):
    def current(self) -> EvidenceQuerySet:
        """Leave out evidence of other bytes than those registered now."""
        return self.filter(manifest_digest=models.F("copy__manifest_digest"))


class Evidence(models.Model):
    """The result of a verify or restore test of a copy. Never edited: the newest one counts."""

    copy = models.ForeignKey(BackupCopy, models.PROTECT, related_name="evidence")
    job = models.OneToOneField(
        "backups.Job", models.SET_NULL, null=True, blank=True, related_name="evidence"
    )
    operation = models.CharField(
        max_length=20,
        choices=[
            (Operation.VERIFY.value, Operation.VERIFY.label),
            (Operation.RESTORE_TEST.value, Operation.RESTORE_TEST.label),
        ],
    )
    passed = models.BooleanField()
    # Of the tested bytes: it proves nothing about others.
    manifest_digest = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=now)
    # From the first byte read to a server that answers; for restore tests only.
    recovery_time = models.DurationField(null=True, blank=True)
    report = models.JSONField(default=dict)

    objects = EvidenceQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "evidence"
        indexes = [
            models.Index(fields=["copy", "operation", "-id"], name="backups_evidence_newest"),
            models.Index(
                fields=["operation", "id"],
                name="backups_evidence_failed",
                condition=Q(passed=False),
            ),
        ]

    def __str__(self) -> str:
        outcome = "passed" if self.passed else "failed"
        return f"{self.get_operation_display().lower()} of {self.copy} {outcome}"

    @property
    def is_current(self) -> bool:
        """Whether the tested bytes are those registered now."""
        return self.manifest_digest == self.copy.manifest_digest
