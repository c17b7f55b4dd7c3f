"""How protected each instance was at the last check by a tick; lists of 10,000 read this."""

from __future__ import annotations

from django.db import models

from backups.models.catalog import Backup
from backups.models.instance import Instance
from backups.models.job import Job
from backups.protection import Level


class InstanceProtection(models.Model):
    """One row per instance, derived from other rows and never edited."""

    instance = models.OneToOneField(Instance, models.CASCADE, related_name="protection")
    level = models.CharField(max_length=12, choices=[(name.value, name.value) for name in Level])
    # The order of attention, worst first.
    rank = models.PositiveSmallIntegerField()
    # One per line.
    reasons = models.TextField(blank=True)
    newest_backup = models.ForeignKey(
        Backup, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    last_job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    # The ends of the newest restorable full backup, and incremental or differential one.
    full_at = models.DateTimeField(null=True, blank=True)
    link_at = models.DateTimeField(null=True, blank=True)
    # Of the newest backup, so that the list is sorted without reading backups.
    backup_at = models.DateTimeField(null=True, blank=True)
    raw_bytes = models.BigIntegerField(null=True, blank=True)
    run_time = models.DurationField(null=True, blank=True)
    lock_time = models.DurationField(null=True, blank=True)
    next_run_at = models.DateTimeField(null=True, blank=True)
    judged_at = models.DateTimeField()
    next_check_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "protection of instances"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(level__in=[name.value for name in Level]),
                name="backups_protection_level_valid",
            ),
        ]
        indexes = [
            models.Index(fields=["next_check_at"], name="backups_protection_check"),
            models.Index(fields=["rank", "instance"], name="backups_protection_rank"),
        ]

    def __str__(self) -> str:
        return f"{self.instance.name}: {self.level.replace('_', ' ')}"
