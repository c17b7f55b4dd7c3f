"""Approvals: what cannot be undone, requested by one person and confirmed by a second admin."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from backups.models.catalog import BackupCopy
from backups.models.repository import Repository
from backups.states import ApprovalStatus


class ApprovalKind(models.TextChoices):
    PURGE = "purge", "Purge of a copy"
    SETTINGS = "settings", "Weaker protection against deletions"


class Approval(models.Model):
    """One request for what cannot be undone. Confirmed by somebody else, or not carried out."""

    kind = models.CharField(max_length=10, choices=ApprovalKind.choices)
    status = models.CharField(
        max_length=10, choices=ApprovalStatus.choices, default=ApprovalStatus.REQUESTED
    )
    repository = models.ForeignKey(Repository, models.CASCADE, related_name="approvals")
    # Of a purge.
    copy = models.ForeignKey(
        BackupCopy, models.PROTECT, null=True, blank=True, related_name="approvals"
    )
    # What is requested, and what the decision is based on: see ``backups.retention.second_admin``.
    asked = models.JSONField(default=dict)
    facts = models.JSONField(default=dict)
    reason = models.CharField(max_length=300, blank=True)
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    # The name stays where the user is deleted.
    requested_by = models.CharField(max_length=150)
    requested_at = models.DateTimeField(default=now)
    expires_at = models.DateTimeField()
    # Blank while nobody has decided.
    decided_by = models.CharField(max_length=150, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=ApprovalStatus.values), name="backups_approval_status_valid"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=ApprovalKind.values), name="backups_approval_kind_valid"
            ),
        ]
        indexes = [models.Index(fields=["status", "expires_at"], name="backups_approval_waiting")]

    def __str__(self) -> str:
        what = str(self.copy) if self.copy is not None else str(self.repository)
        return f"{self.get_kind_display().lower()}: {what}"

    def waiting(self, at: datetime) -> bool:
        """Whether it can still be confirmed or rejected."""
        return self.status == ApprovalStatus.REQUESTED and at < self.expires_at
