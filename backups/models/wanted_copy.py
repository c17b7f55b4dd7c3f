"""Copies that repositories were to have, and do not have yet."""

from __future__ import annotations

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.timezone import now

from backups.models.catalog import Backup, BackupCopy
from backups.models.job import Job
from backups.models.repository import Repository
from backups.models.schedule import BackupSchedule
from backups.states import CopyStatus


class WantCause(models.TextChoices):
    """Why a copy is wanted that is not there."""

    FAILED = "failed", "It failed while the backup was taken"
    NO_CHAIN = "no_chain", "The backups it needs are not stored there"
    SCHEDULE = "schedule", "Its schedule copies its backups there"


class WantedCopyQuerySet(models.QuerySet["WantedCopy"]):
    def still_wanted(self) -> WantedCopyQuerySet:
        """Leave out those that a person gave up, and those that nothing is left of to copy."""
        stored = BackupCopy.objects.filter(backup=OuterRef("backup"), status=CopyStatus.STORED)
        return self.filter(Exists(stored), dropped_at=None)


class WantedCopy(models.Model):
    """A copy that a repository was to have. The row is deleted when the copy is registered."""

    backup = models.ForeignKey(Backup, models.CASCADE, related_name="wanted_copies")
    repository = models.ForeignKey(Repository, models.CASCADE, related_name="wanted_copies")
    cause = models.CharField(max_length=10, choices=WantCause.choices)
    wanted_at = models.DateTimeField(default=now)
    # The newest attempt that failed; blank before the first.
    error = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    # The schedule that wants it, which says at which times of the day it is made; null: at any.
    schedule = models.ForeignKey(
        BackupSchedule, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # When a tick requests it next; null while a job is to make it.
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    # The job that was to make it last.
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    # Set once a person has said that it is no longer wanted.
    dropped_at = models.DateTimeField(null=True, blank=True)
    dropped_by = models.CharField(max_length=150, blank=True)
    dropped_reason = models.CharField(max_length=200, blank=True)

    objects = WantedCopyQuerySet.as_manager()

    class Meta:
        ordering = ["backup", "id"]
        verbose_name_plural = "wanted copies"
        constraints = [
            models.UniqueConstraint(
                fields=["backup", "repository"], name="backups_wantedcopy_once"
            ),
            models.CheckConstraint(
                condition=Q(cause__in=WantCause.values), name="backups_wantedcopy_cause_valid"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="backups_wantedcopy_due",
                condition=Q(next_attempt_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"copy of {self.backup.label} in {self.repository.name}"

    @property
    def in_words(self) -> str:
        """What is wrong, for pages and messages."""
        if self.error:
            return f"copy in {self.repository.name} failed: {self.error}"
        return f"copy in {self.repository.name} is missing: {self.get_cause_display().lower()}"
