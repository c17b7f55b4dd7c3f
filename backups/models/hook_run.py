"""Hooks of jobs: which ones belong to a job, which have run, and how they ended."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from backups.models.job import Job
from backups.states import LATE_HOOK_TIMES, HookTime


class HookRun(models.Model):
    """One hook of one job. What it runs is in a file of the worker's host, and nowhere else."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="hook_runs")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=40)
    when = models.CharField(max_length=12, choices=HookTime.choices)
    # Where it runs, and whose file names it.
    host = models.CharField(max_length=253)
    # Still to run, or to be cleared up after, should the worker die.
    open = models.BooleanField(default=False)
    # Of an open one: since when it could not even begin. It is tried again for a day.
    unable_since = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # Null: it did not run, was killed, or is a statement.
    exit_code = models.IntegerField(null=True, blank=True)
    # Why it failed; blank if it did not.
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ["job", "position"]
        constraints = [
            models.UniqueConstraint(
                fields=["job", "position"], name="backups_hookrun_one_per_position"
            ),
            models.CheckConstraint(
                condition=Q(when__in=HookTime.values), name="backups_hookrun_when_valid"
            ),
        ]
        indexes = [
            models.Index(fields=["host"], name="backups_hookrun_open", condition=Q(open=True)),
        ]

    def __str__(self) -> str:
        return f"hook {self.name} of job {self.job_id}"

    @property
    def is_after(self) -> bool:
        """Whether it runs however its job ended."""
        return self.when in LATE_HOOK_TIMES

    def run_time(self, at: datetime) -> timedelta | None:
        """How long it took, or has taken at ``at``; None before it began."""
        if self.started_at is None or self.unable_since is not None:
            return None
        return (self.ended_at or at) - self.started_at
