"""The throughput of a job, sampled every few seconds for its chart."""

from __future__ import annotations

from django.db import models

from backups.models.job import Job


class JobSample(models.Model):
    """The throughput of a job since the previous sample."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="samples")
    sampled_at = models.DateTimeField(db_index=True)
    # The stage that moved the bytes; each stage counts from zero.
    stage = models.CharField(max_length=40, blank=True)
    bytes_done = models.BigIntegerField()
    rate_bytes_per_s = models.BigIntegerField()

    class Meta:
        ordering = ["job", "id"]

    def __str__(self) -> str:
        return f"{self.job_id} at {self.sampled_at:%H:%M:%S}: {self.rate_bytes_per_s} B/s"
