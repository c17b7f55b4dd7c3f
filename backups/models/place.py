"""Places under the limits: which running job holds which."""

from __future__ import annotations

from django.db import models

from backups.models.job import Job


class LimitPlace(models.Model):
    """One numbered place under a limit, held while a job runs.

    A unique constraint keeps two jobs from holding the same one.
    """

    job = models.ForeignKey(Job, models.CASCADE, related_name="places")
    # What is limited: ``mooring``, ``host:db1.example``, ``repository:3``.
    resource = models.CharField(max_length=300)
    number = models.PositiveIntegerField()

    class Meta:
        ordering = ["resource", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["resource", "number"], name="backups_limitplace_held_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource} place {self.number} of job {self.job_id}"
