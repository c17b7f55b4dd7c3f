"""How did the backup jobs of one instance go, one after the other? What its charts are made of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.models import Job
from backups.states import JobStatus, Operation

# A chart of a page's half shows no more than this apart.
RUNS_SHOWN = 60


@dataclass(frozen=True, slots=True)
class BackupRun:
    """One backup job that ended; only a good one has figures."""

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
    """Return the newest runs, the oldest of them first; cancelled ones say nothing."""
    told = (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.LOST)
    jobs = Job.objects.filter(
        instance__name=instance_name,
        operation=Operation.BACKUP,
        status__in=told,
        started_at__isnull=False,
        ended_at__isnull=False,
    ).values_list("started_at", "ended_at", "status", "bytes_done", "stored_bytes", "lock_time")
    newest = jobs.order_by("-id")[:RUNS_SHOWN]
    return [
        BackupRun(ended, status == JobStatus.SUCCEEDED, raw, stored, ended - started, lock)
        for started, ended, status, raw, stored, lock in reversed(newest)
        # The query left these out; the types do not know it.
        if started and ended
    ]
