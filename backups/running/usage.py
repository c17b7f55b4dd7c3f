"""How is what a job asked of its stores kept? One row for each repository, when the job ends."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import Error

from backups.models import Job, JobUsage, Repository
from backups.repositories.usage import UsageBook

logger = logging.getLogger(__name__)


def write_usage(job: Job, book: UsageBook, now: datetime) -> None:
    """Write the counts; a database that cannot be reached costs them, and nothing else."""
    try:
        there = set(Repository.objects.filter(pk__in=book.pages).values_list("pk", flat=True))
        for repository, usage in book.pages.items():
            if repository not in there:
                continue
            counts = {str(asked): count for asked, count in usage.requests.items()}
            JobUsage.objects.update_or_create(
                job=job,
                repository_id=repository,
                defaults={
                    **counts,
                    "counted_at": now,
                    "sent_bytes": usage.sent_bytes,
                    "received_bytes": usage.received_bytes,
                },
            )
    except Error as exc:
        logger.warning(
            "%s: its requests are not counted: %s",
            job,
            exc,
            extra={"action": "usage_not_written", "job_id": job.pk},
        )
