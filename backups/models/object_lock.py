"""Who may delete what a repository writes, and until when nobody: columns of its row."""

from __future__ import annotations

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from backups.repositories.objects.locks import ObjectLock

OBJECT_LOCK_COLUMNS = ("lock_mode", "lock_days", "write_only")
# Ten years: what a mistyped number locks in compliance mode, nobody can delete before.
MOST_LOCK_DAYS = 3660


class LockMode(models.TextChoices):
    NONE = "", "Not locked"
    GOVERNANCE = "governance", "Governance: some keys may end it"
    COMPLIANCE = "compliance", "Compliance: nobody can end it"


class ObjectLockSettings(models.Model):
    """Locks are used by repositories in a bucket with object lock; any can be write-only."""

    lock_mode = models.CharField(
        max_length=10,
        blank=True,
        choices=LockMode.choices,
        default=LockMode.NONE,
        help_text="Of new objects; the bucket must have object lock.",
    )
    lock_days = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_LOCK_DAYS)],
        help_text="Renewed when half of them is left, while the backup is kept. No backup can be "
        "purged before its lock has ended.",
    )
    write_only = models.BooleanField(
        "write-only",
        default=False,
        help_text="Mooring never deletes there: a lifecycle rule of the store does, or the command "
        "purgeexpired with other credentials.",
    )
    # Why locks could not be renewed, as a tick last found; blank where they could.
    lock_fault = models.CharField(max_length=300, blank=True, editable=False)
    lock_fault_since = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def object_lock(self) -> ObjectLock | None:
        """How new objects are locked; None if they are not."""
        if not self.lock_mode or not self.lock_days:
            return None
        return ObjectLock(self.lock_mode, timedelta(days=self.lock_days))

    def check_object_lock(self, *, is_bucket: bool) -> None:
        """Raise ValidationError for a lock that no repository of its kind can have."""
        if not self.lock_mode and self.lock_days is None:
            return
        if not is_bucket:
            raise ValidationError({"lock_mode": "Only objects in a bucket, s3://…, can be locked."})
        if not self.lock_days:
            raise ValidationError({"lock_days": "Enter for how many days objects are locked."})
        if not self.lock_mode:
            raise ValidationError({"lock_mode": "Choose a mode, or clear the days."})
