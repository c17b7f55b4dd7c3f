"""Each planned run of a schedule, for one instance."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.timezone import now

from backups.models.instance import Instance
from backups.models.job import Job
from backups.models.schedule import BackupSchedule
from backups.states import PLANNED_KINDS, BackupKind, OccurrenceStatus, WaitReason


class Occurrence(models.Model):
    """One planned run of a schedule for one instance."""

    # PROTECT: a schedule that has run is disabled, its record stays.
    schedule = models.ForeignKey(BackupSchedule, models.PROTECT, related_name="occurrences")
    instance = models.ForeignKey(Instance, models.PROTECT, related_name="occurrences")
    # As planned; of what its job took, the job has the kind and the reason.
    kind = models.CharField(max_length=20, choices=PLANNED_KINDS, default=BackupKind.FULL)
    # The schedule's due time, the same for all its instances ...
    due_at = models.DateTimeField()
    # ... and this instance's start time, after the stagger. Grace and window begin here.
    starts_at = models.DateTimeField()
    late_after = models.DateTimeField()
    missed_after = models.DateTimeField()

    status = models.CharField(
        max_length=10, choices=OccurrenceStatus.choices, default=OccurrenceStatus.DUE
    )
    status_since = models.DateTimeField(default=now)
    # Why it waits; once it is missed or skipped, why it did not run.
    reason = models.CharField(max_length=20, choices=WaitReason.choices, blank=True)
    detail = models.CharField(max_length=300, blank=True)
    # The latest attempt; ``jobs`` has all of them.
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+")
    attempts = models.PositiveSmallIntegerField(default=0)
    # After a failed attempt: when the next one may begin.
    retry_at = models.DateTimeField(null=True, blank=True)
    # Of a chained schedule: the run of the other schedule that it follows.
    follows = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="followed_by"
    )
    # It has ended, and the runs that follow it are not planned yet.
    unfollowed = models.BooleanField(default=False, editable=False)
    # While it runs: when it exceeds its expected duration or its window.
    overrun_after = models.DateTimeField(null=True, blank=True)
    # When it became late, and when it overran its expected duration or window.
    late_at = models.DateTimeField(null=True, blank=True)
    overran_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # When the tick checks it next; null once it has ended.
    next_check_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-due_at", "-id"]
        constraints = [
            # Ten schedulers racing for one due time create one occurrence, not ten.
            models.UniqueConstraint(
                fields=["schedule", "instance", "due_at"], name="backups_occurrence_once"
            ),
            # However often its end is noticed, a run is followed once by each schedule.
            models.UniqueConstraint(
                fields=["schedule", "follows"], name="backups_occurrence_follows_once"
            ),
            models.CheckConstraint(
                condition=Q(status__in=OccurrenceStatus.values),
                name="backups_occurrence_status_valid",
            ),
            models.CheckConstraint(
                condition=Q(reason__in=WaitReason.values), name="backups_occurrence_reason_valid"
            ),
        ]
        indexes = [
            # Small whatever the length of the history: only open occurrences are indexed.
            models.Index(
                fields=["next_check_at"],
                name="backups_occurrence_next_check",
                condition=Q(next_check_at__isnull=False),
            ),
            models.Index(
                fields=["instance", "next_check_at"],
                name="backups_occurrence_of_instance",
                condition=Q(next_check_at__isnull=False),
            ),
            models.Index(
                fields=["schedule", "next_check_at"],
                name="backups_occurrence_of_schedule",
                condition=Q(next_check_at__isnull=False),
            ),
            models.Index(
                fields=["id"],
                name="backups_occurrence_unfollowed",
                condition=Q(unfollowed=True),
            ),
            # The calendar and an instance's punctuality.
            models.Index(fields=["instance", "-due_at"], name="backups_occurrence_newest"),
            models.Index(fields=["due_at"], name="backups_occurrence_due"),
            # A schedule's punctuality is counted from this index alone.
            models.Index(
                fields=["schedule", "due_at", "status", "late_at"],
                name="backups_occurrence_outcome",
            ),
            # For the rules: by status, and what changed since the last evaluation.
            models.Index(fields=["status", "due_at"], name="backups_occurrence_status"),
            models.Index(fields=["status_since"], name="backups_occurrence_changed"),
            models.Index(
                fields=["late_at"],
                name="backups_occurrence_late",
                condition=Q(late_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.schedule.name} for {self.instance.name} at {self.due_at:%Y-%m-%d %H:%M}Z"
