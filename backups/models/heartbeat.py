"""Heartbeats of ticks and workers, and how far each tool's history has been read."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from backups.models.instance import Instance


class TickHeartbeat(models.Model):
    """When a tick last ran; the dashboard shows its age, and a gap explains missed runs."""

    name = models.CharField(max_length=60, unique=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    # The error of the last run; blank if it completed.
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class WorkerHeartbeat(models.Model):
    """The last heartbeat of a worker, and the queues it consumes.

    A handful of rows that are written all the time: an index would cost a page for each write.
    """

    name = models.CharField(max_length=120, unique=True)
    # Names of queues, in order, each between commas: ",copy,transfer,".
    queues = models.CharField(max_length=200)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class HistoryVerdict(models.TextChoices):
    READ = "read", "Read"  # its rows are known up to ``read_at``
    UNKNOWN = "unknown", "Unknown"  # no such table, or the instance is unreachable
    REFUSED = "refused", "Refused"  # the account may not read it; see the hint


class ObservedHistory(models.Model):
    """How far a tool's own history on an instance has been read."""

    instance = models.OneToOneField(Instance, models.CASCADE, related_name="observed_history")
    verdict = models.CharField(
        max_length=10, choices=HistoryVerdict.choices, default=HistoryVerdict.UNKNOWN
    )
    detail = models.TextField(blank=True)
    hint = models.TextField(blank=True)
    # Where the next reading continues, in the reader's own format.
    cursor = models.JSONField(default=dict, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    next_read_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "observed histories"
        constraints = [
            models.CheckConstraint(
                condition=Q(verdict__in=HistoryVerdict.values),
                name="backups_observedhistory_verdict_valid",
            ),
        ]
        indexes = [models.Index(fields=["next_read_at"], name="backups_history_next_read")]

    def __str__(self) -> str:
        return f"history of {self.instance.name}"
