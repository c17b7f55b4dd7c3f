"""What are the results of an instance's backup jobs over time? The data of its charts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.models import Job
from backups.models.job import WITHOUT_RESULT
from backups.pacing.facts import PaceFacts
from backups.states import TERMINAL_JOB_STATUSES, BackupKind, JobStatus, Operation

# A chart of half a page cannot show more points.
RUNS_SHOWN = 60


@dataclass(frozen=True, slots=True)
class BackupRun:
    """One ended backup job; only a successful one has figures."""

    at: datetime
    status: JobStatus
    raw_bytes: int
    stored_bytes: int
    run_time: timedelta
    lock_time: timedelta | None
    kind: str = BackupKind.FULL
    # What it cost its instance; None is unknown.
    pace: PaceFacts | None = None

    @property
    def succeeded(self) -> bool:
        return self.status is JobStatus.SUCCEEDED

    @property
    def bytes_per_s(self) -> int:
        seconds = self.run_time.total_seconds()
        return int(self.raw_bytes / seconds) if seconds > 0 else 0


def list_runs(instance_name: str) -> list[BackupRun]:
    """Return the newest runs, the oldest first, without those that have no result."""
    jobs = Job.objects.filter(
        instance__name=instance_name,
        operation=Operation.BACKUP,
        status__in=TERMINAL_JOB_STATUSES,
        started_at__isnull=False,
        ended_at__isnull=False,
    ).exclude(WITHOUT_RESULT)
    figures = jobs.values_list(
        "started_at", "ended_at", "status", "bytes_done", "stored_bytes", "lock_time", "kind",
        "product__pace",
    )  # fmt: skip
    newest = figures.order_by("-id")[:RUNS_SHOWN]
    return [
        BackupRun(
            ended, JobStatus(status), raw, stored, ended - started, lock, kind, PaceFacts.read(pace)
        )
        for started, ended, status, raw, stored, lock, kind, pace in reversed(newest)
        # The query excludes nulls, which the types do not express.
        if started and ended
    ]
