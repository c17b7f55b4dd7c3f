"""Slots: which running job holds which of the places that are limited."""

from __future__ import annotations

from django.db import models

from backups.models.job import Job


class JobSlot(models.Model):
    """One numbered place of something limited, held while a job runs.

    The database keeps two jobs from holding the same one, whoever counts wrongly.
    """

    job = models.ForeignKey(Job, models.CASCADE, related_name="slots")
    # What is limited: ``mooring``, ``host:db1.example``, ``repository:3``.
    resource = models.CharField(max_length=300)
    number = models.PositiveIntegerField()

    class Meta:
        ordering = ["resource", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["resource", "number"], name="backups_jobslot_held_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.resource} slot {self.number} of job {self.job_id}"
