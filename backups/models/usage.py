"""What the stores of a job were asked: requests by class, and bytes."""

from __future__ import annotations

from django.db import models

from backups.models.job import Job
from backups.models.repository import Repository
from backups.units import format_count


class JobUsage(models.Model):
    """The requests of one job to one repository, written when the job ends."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="usage")
    repository = models.ForeignKey(Repository, models.CASCADE, related_name="usage")
    counted_at = models.DateTimeField(db_index=True)
    # Those that write, a part of a large object each, and what begins and joins the parts.
    puts = models.PositiveBigIntegerField(default=0)
    gets = models.PositiveBigIntegerField(default=0)
    lists = models.PositiveBigIntegerField(default=0)
    heads = models.PositiveBigIntegerField(default=0)
    deletes = models.PositiveBigIntegerField(default=0)
    sent_bytes = models.PositiveBigIntegerField(default=0)
    received_bytes = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["job", "repository"]
        constraints = [
            models.UniqueConstraint(fields=["job", "repository"], name="backups_jobusage_once")
        ]

    def __str__(self) -> str:
        return f"{self.repository} by {self.job}"

    @property
    def in_words(self) -> str:
        """The requests by class; those of which there were none are left out."""
        counts = {
            "write": self.puts,
            "read": self.gets,
            "look": self.heads,
            "list": self.lists,
            "deletion": self.deletes,
        }
        plain = [format_count(count, noun) for noun, count in counts.items() if count]
        return ", ".join(plain) or "no requests"
