"""How fast a job went, every few seconds: what its chart is drawn from."""

from __future__ import annotations

from django.db import models

from backups.models.job import Job


class JobSample(models.Model):
    """A job's speed since the sample before it."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="samples")
    sampled_at = models.DateTimeField(db_index=True)
    # Which stage moved the bytes: each counts from zero.
    stage = models.CharField(max_length=40, blank=True)
    bytes_done = models.BigIntegerField()
    rate_bytes_per_s = models.BigIntegerField()

    class Meta:
        ordering = ["job", "id"]

    def __str__(self) -> str:
        return f"{self.job_id} at {self.sampled_at:%H:%M:%S}: {self.rate_bytes_per_s} B/s"
