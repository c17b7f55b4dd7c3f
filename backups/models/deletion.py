"""Deletions: which copies are to be deleted, when and why, and what remained when they were."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from backups.models.approval import Approval
from backups.models.catalog import BackupCopy
from backups.states import OPEN_DELETION_STATUSES, DeletionStatus


class Deletion(models.Model):
    """One decision to delete a copy, and how it ended. Only its end is written later.

    While it is marked, the copy is stored and restorable, and protects nobody.
    """

    copy = models.ForeignKey(BackupCopy, models.PROTECT, related_name="deletions")
    status = models.CharField(
        max_length=10, choices=DeletionStatus.choices, default=DeletionStatus.MARKED
    )
    status_since = models.DateTimeField(default=now)
    reason = models.CharField(max_length=300)
    # A user, or the schedule or repository whose retention it is.
    requested_by = models.CharField(max_length=150)
    # Whether retention decided, and does so again before the copy is deleted; or a person.
    retention = models.BooleanField(default=False)
    # The request that a second admin confirmed; null where none was needed.
    approval = models.ForeignKey(Approval, models.SET_NULL, null=True, blank=True)
    # Whether the last restorable backup may go.
    forced = models.BooleanField(default=False)
    marked_at = models.DateTimeField(default=now)
    # When the delay is over. Not moved by a change of the repository's, but by time that nobody has
    # seen pass: see ``backups.retention.delays``.
    due_at = models.DateTimeField()
    # Until when the delay is counted, and by how much it became longer.
    seen_at = models.DateTimeField(default=now)
    extended = models.DurationField(default=timedelta(0))
    # Who deleted it before that, and why; blank if nobody did.
    hastened_by = models.CharField(max_length=150, blank=True)
    hastened_reason = models.CharField(max_length=300, blank=True)
    # What remained restorable, as found when it was marked, and when it was deleted: see
    # ``backups.retention.remaining``.
    remains_marked = models.JSONField(default=dict)
    remains_deleted = models.JSONField(default=dict, blank=True)
    # Why it was not deleted although it was due, when that was last tried; blank if nothing is.
    problem = models.CharField(max_length=1000, blank=True)
    # Who undid it, and why.
    ended_by = models.CharField(max_length=150, blank=True)
    end_reason = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["copy"],
                condition=Q(status__in=sorted(OPEN_DELETION_STATUSES)),
                name="backups_deletion_one_open",
            ),
            models.CheckConstraint(
                condition=Q(status__in=DeletionStatus.values), name="backups_deletion_status_valid"
            ),
        ]
        indexes = [
            models.Index(fields=["status", "due_at"], name="backups_deletion_due"),
            models.Index(fields=["status", "-status_since"], name="backups_deletion_newest"),
        ]

    def __str__(self) -> str:
        return f"deletion of {self.copy}"

    @property
    def by(self) -> str:
        """Who marked it, and why."""
        return f"marked by {self.requested_by}: {self.reason}"

    @property
    def marked(self) -> bool:
        """Whether it can be undone."""
        return self.status == DeletionStatus.MARKED
