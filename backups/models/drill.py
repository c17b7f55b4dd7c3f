"""Drills: restore tests that went on to a moment, and what came of it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from backups.models.catalog import BackupCopy
from backups.models.instance import Instance
from backups.states import DrillPoint


class Drill(models.Model):
    """Whether a recovery to a moment works. Never edited: the newest one counts.

    Of the backup alone its restore test has evidence: a replay that fails is none against it.
    """

    instance = models.ForeignKey(Instance, models.PROTECT, related_name="drills")
    copy = models.ForeignKey(BackupCopy, models.PROTECT, related_name="drills")
    job = models.OneToOneField(
        "backups.Job", models.SET_NULL, null=True, blank=True, related_name="drill"
    )
    created_at = models.DateTimeField(default=now)
    point = models.CharField(max_length=10, choices=DrillPoint.choices)
    # As drawn, and the range it was drawn from.
    moment = models.DateTimeField()
    range_from = models.DateTimeField()
    range_to = models.DateTimeField()
    passed = models.BooleanField()
    # Where it failed, and why; blank if it passed.
    failed_stage = models.CharField(max_length=40, blank=True)
    error = models.TextField(blank=True)
    # The last transaction applied, and the place in the instance's binlogs behind it. Null or
    # blank: none was, or it is unknown.
    last_commit_at = models.DateTimeField(null=True, blank=True)
    last_gtid = models.CharField(max_length=120, blank=True)
    file = models.CharField(max_length=255, blank=True)
    position = models.BigIntegerField(null=True, blank=True)
    transactions = models.PositiveBigIntegerField(null=True, blank=True)
    replayed_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    # How long transactions were applied, the start of a server for it left out.
    replay_time = models.DurationField(null=True, blank=True)
    # What a restore to the moment takes: extract, prepare, replay and start.
    recovery_time = models.DurationField(null=True, blank=True)
    # Seconds of each stage, by name.
    stages = models.JSONField(default=dict)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(point__in=[DrillPoint.RANDOM, DrillPoint.NEWEST]),
                name="backups_drill_point_valid",
            ),
        ]
        indexes = [
            models.Index(fields=["instance", "point", "-id"], name="backups_drill_newest_of_sort"),
            models.Index(fields=["instance", "-id"], name="backups_drill_newest"),
        ]

    def __str__(self) -> str:
        outcome = "passed" if self.passed else "failed"
        return f"drill of {self.instance.name} to {self.moment:%Y-%m-%d %H:%M:%S}Z {outcome}"

    @property
    def rate_bytes_per_s(self) -> int | None:
        """How fast transactions were applied; None is unknown."""
        seconds = self.replay_time.total_seconds() if self.replay_time is not None else 0
        return int(self.replayed_bytes / seconds) if self.replayed_bytes and seconds else None

    @property
    def rate_transactions_per_s(self) -> float | None:
        seconds = self.replay_time.total_seconds() if self.replay_time is not None else 0
        return self.transactions / seconds if self.transactions and seconds else None
