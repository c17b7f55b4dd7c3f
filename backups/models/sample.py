"""The throughput of a job, and what it cost the instance, sampled for their chart."""

from __future__ import annotations

from django.db import models

from backups.models.job import Job
from backups.pacing.reasons import PACE_REASONS


class JobSample(models.Model):
    """The throughput of a job since the previous sample."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="samples")
    sampled_at = models.DateTimeField(db_index=True)
    # The stage that moved the bytes; each stage counts from zero.
    stage = models.CharField(max_length=40, blank=True)
    bytes_done = models.BigIntegerField()
    rate_bytes_per_s = models.BigIntegerField()
    # Of a copy that is paced: how long statements of the instance took, the highest of the time
    # since the previous sample; null is unknown.
    pace_p99_ms = models.FloatField(null=True, blank=True)
    # The lowest limit since then, null: none; and why there is one, or none.
    pace_bytes_per_s = models.BigIntegerField(null=True, blank=True)
    pace_reason = models.CharField(max_length=20, choices=PACE_REASONS, blank=True)

    class Meta:
        ordering = ["job", "id"]

    def __str__(self) -> str:
        return f"{self.job_id} at {self.sampled_at:%H:%M:%S}: {self.rate_bytes_per_s} B/s"
