"""Rows of a small fleet, for tests of what the rules read and what follows from their answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from backups.models import (
    Backup,
    BackupCopy,
    BackupSchedule,
    Instance,
    Job,
    JobEvent,
    Occurrence,
    Repository,
)
from backups.states import JobStatus, OccurrenceStatus, Operation

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
GIB = 2**30
M, H, D = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def make_instance(name: str = "orders-1", **fields: Any) -> Instance:
    """Create an instance that was added an hour before T0."""
    defaults = {"flavour": "mariadb", "version": "10.11.14-MariaDB", "created_at": T0 - H}
    return Instance.objects.create(name=name, **{**defaults, **fields})


def make_repository(name: str = "main", **fields: Any) -> Repository:
    return Repository.objects.create(name=name, path=f"/srv/{name}", **fields)


def make_schedule(name: str = "nightly", *instances: Instance, **fields: Any) -> BackupSchedule:
    schedule = BackupSchedule.objects.create(name=name, **{"cron": "0 1 * * *", **fields})
    schedule.instances.set(instances)
    return schedule


def make_job(
    instance: Instance,
    status: JobStatus,
    ended_at: datetime,
    *,
    took: timedelta = 20 * M,
    **fields: Any,
) -> Job:
    """Create a job that ended, with the event that says so."""
    defaults = {"operation": Operation.BACKUP, "kind": "full", "started_at": ended_at - took}
    job = Job.objects.create(
        instance=instance,
        status=status,
        status_since=ended_at,
        requested_at=ended_at - took,
        ended_at=None if status in (JobStatus.RUNNING, JobStatus.PENDING) else ended_at,
        **{**defaults, **fields},
    )
    JobEvent.objects.create(job=job, created_at=ended_at, new_status=status)
    return job


def make_backup(
    instance: Instance,
    ended_at: datetime,
    *repositories: Repository,
    took: timedelta = 20 * M,
    key_id: str = "k1",
    **fields: Any,
) -> Backup:
    """Create a backup, its job, and a copy in each repository."""
    job = make_job(
        instance, JobStatus.SUCCEEDED, ended_at, took=took, kind=fields.get("kind", "full")
    )
    job.repositories.set(repositories)
    defaults = {
        "kind": "full",
        "engine": "mariadb_backup",
        "raw_bytes": 100 * GIB,
        "stored_bytes": GIB,
        "file_count": 812,
        "label": f"{instance.name}@{ended_at:%Y%m%dT%H%M%SZ}-{job.pk}",
    }
    backup = Backup.objects.create(
        instance=instance,
        made_by=job,
        started_at=ended_at - took,
        ended_at=ended_at,
        **{**defaults, **fields},
    )
    for repository in repositories:
        BackupCopy.objects.create(
            backup=backup, repository=repository, path=backup.label, stored_bytes=GIB,
            pack_count=4, key_id=key_id,
        )  # fmt: skip
    return backup


def make_occurrence(
    schedule: BackupSchedule,
    instance: Instance,
    status: OccurrenceStatus,
    due_at: datetime = T0,
    **fields: Any,
) -> Occurrence:
    return Occurrence.objects.create(
        schedule=schedule,
        instance=instance,
        due_at=due_at,
        starts_at=due_at,
        late_after=due_at + schedule.grace,
        missed_after=due_at + schedule.window,
        status=status,
        **{"status_since": due_at, **fields},
    )
