"""Rehearsals of upgrades: whether a backup, restored, becomes a server of a newer series."""

from __future__ import annotations

from django.db import models
from django.utils.timezone import now

from backups.models.catalog import BackupCopy
from backups.models.instance import Instance
from backups.units import format_duration


class Rehearsal(models.Model):
    """What came of one. Never edited: the newest one to a release counts.

    It is neither evidence for the backup nor against it: see ``Evidence``.
    """

    instance = models.ForeignKey(Instance, models.PROTECT, related_name="rehearsals")
    copy = models.ForeignKey(BackupCopy, models.PROTECT, related_name="rehearsals")
    job = models.OneToOneField(
        "backups.Job", models.SET_NULL, null=True, blank=True, related_name="rehearsal"
    )
    created_at = models.DateTimeField(default=now)
    # Of the restored bytes.
    manifest_digest = models.CharField(max_length=64, blank=True)
    # Product and release of the backed-up server, and of the one it became: ``MariaDB 11.8.3``.
    origin = models.CharField(max_length=60, blank=True)
    upgraded_to = models.CharField(max_length=60)
    # The path of the server program on the worker's host.
    program = models.CharField(max_length=4096)
    passed = models.BooleanField()
    # Where it failed, and why; blank if it passed.
    failed_stage = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)
    # From the first byte read to the upgraded server that answers; null: it never did.
    took = models.DurationField(null=True, blank=True)
    # Seconds of each stage, by name.
    stages = models.JSONField(default=dict)
    # What was found: tables, and own checks.
    report = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["instance", "-id"], name="backups_rehearsal_newest"),
        ]

    def __str__(self) -> str:
        return f"restores and upgrades to {self.upgraded_to}: {self.outcome}"

    @property
    def outcome(self) -> str:
        """``yes, 41 s``, or ``no, failed in upgrade``."""
        if not self.passed:
            return f"no, failed in {self.failed_stage}"
        return f"yes, {format_duration(self.took)}" if self.took is not None else "yes"
