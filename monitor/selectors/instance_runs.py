"""What are the results of an instance's backup jobs over time? The data of its charts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.models import Job
from backups.states import JobStatus, Operation

# A chart of half a page cannot show more points.
RUNS_SHOWN = 60


@dataclass(frozen=True, slots=True)
class BackupRun:
    """One ended backup job; only a successful one has figures."""

    at: datetime
    succeeded: bool
    raw_bytes: int
    stored_bytes: int
    run_time: timedelta
    lock_time: timedelta | None

    @property
    def bytes_per_s(self) -> int:
        seconds = self.run_time.total_seconds()
        return int(self.raw_bytes / seconds) if seconds > 0 else 0


def list_runs(instance_name: str) -> list[BackupRun]:
    """Return the newest runs, the oldest first, without cancelled ones."""
    ended_statuses = (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.LOST)
    jobs = Job.objects.filter(
        instance__name=instance_name,
        operation=Operation.BACKUP,
        status__in=ended_statuses,
        started_at__isnull=False,
        ended_at__isnull=False,
    ).values_list("started_at", "ended_at", "status", "bytes_done", "stored_bytes", "lock_time")
    newest = jobs.order_by("-id")[:RUNS_SHOWN]
    return [
        BackupRun(ended, status == JobStatus.SUCCEEDED, raw, stored, ended - started, lock)
        for started, ended, status, raw, stored, lock in reversed(newest)
        # The query excludes nulls, which the types do not express.
        if started and ended
    ]
