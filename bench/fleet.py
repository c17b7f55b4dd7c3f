"""A generated fleet: instances with schedules and a history, in the database at hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from backups.models import (
    Backup,
    BackupCopy,
    BackupSchedule,
    Instance,
    InstanceGroup,
    Job,
    JobEvent,
    Occurrence,
    Repository,
)
from backups.states import JobStatus, OccurrenceStatus

GIB = 2**30
GROUP_SIZE = 100
# One in so many runs of the last night went wrong, so that there is something to find.
ONE_FAILS_IN = 50
ONE_IS_MISSED_IN = 70


def create_fleet(instances: int, days: int, now: datetime) -> None:
    """Create instances in groups, two schedules of each group, and a year or less of nights."""
    repository = Repository.objects.create(name="main", path="/srv/bench")
    rows = Instance.objects.bulk_create(
        [
            Instance(
                name=f"shard-{n:05}",
                flavour="mariadb",
                version="10.11.14-MariaDB",
                created_at=now - timedelta(days=days),
            )
            for n in range(instances)
        ],
        batch_size=500,
    )
    schedules = _create_groups(rows)
    first = now.replace(hour=1, minute=0, second=0, microsecond=0) - timedelta(days=days)
    for night in range(days):
        due_at = first + timedelta(days=night)
        last = night == days - 1
        for part in _parts(rows):
            _create_night(part, schedules, repository, due_at, last=last)


def _create_groups(instances: list[Instance]) -> dict[int, tuple[BackupSchedule, BackupSchedule]]:
    """Map each instance to the schedules that cover its group."""
    groups = {}
    for number, start in enumerate(range(0, len(instances), GROUP_SIZE)):
        group = InstanceGroup.objects.create(name=f"group-{number}")
        members = instances[start : start + GROUP_SIZE]
        group.instances.set(members)
        pair = (
            BackupSchedule.objects.create(name=f"full-{number}", cron="0 1 * * *"),
            BackupSchedule.objects.create(name=f"check-{number}", cron="0 2 * * *"),
        )
        for schedule in pair:
            schedule.groups.add(group)
        groups.update({member.pk: pair for member in members})
    return groups


def _create_night(
    instances: list[Instance],
    schedules: dict[int, tuple[BackupSchedule, BackupSchedule]],
    repository: Repository,
    due_at: datetime,
    *,
    last: bool,
) -> None:
    ended_at = due_at + timedelta(minutes=20)
    jobs = Job.objects.bulk_create(
        [_job(instance, due_at, ended_at, last) for instance in instances], batch_size=500
    )
    JobEvent.objects.bulk_create(
        [JobEvent(job=job, created_at=ended_at, new_status=job.status) for job in jobs],
        batch_size=500,
    )
    done = [job for job in jobs if job.status == JobStatus.SUCCEEDED]
    backups = Backup.objects.bulk_create(
        [_backup(job, due_at, ended_at) for job in done], batch_size=500
    )
    BackupCopy.objects.bulk_create(
        [_copy(backup, repository) for backup in backups], batch_size=500
    )
    Occurrence.objects.bulk_create(
        [
            _occurrence(schedule, job, due_at, missed)
            for job in jobs
            for schedule, missed in (
                (schedules[job.instance_id][0], False),
                (schedules[job.instance_id][1], last and job.instance_id % ONE_IS_MISSED_IN == 0),
            )
        ],
        batch_size=500,
    )


def _copy(backup: Backup, repository: Repository) -> BackupCopy:
    return BackupCopy(
        backup=backup, repository=repository, path=backup.label, stored_bytes=GIB,
        pack_count=4, key_id="k1",
    )  # fmt: skip


def _job(instance: Instance, due_at: datetime, ended_at: datetime, last: bool) -> Job:
    failed = last and instance.pk % ONE_FAILS_IN == 0
    return Job(
        operation="backup",
        instance=instance,
        kind="full",
        engine="mariadb_backup",
        status=JobStatus.FAILED if failed else JobStatus.SUCCEEDED,
        status_since=ended_at,
        requested_at=due_at,
        started_at=due_at,
        ended_at=ended_at,
        error="the server went away" if failed else "",
    )


def _backup(job: Job, due_at: datetime, ended_at: datetime) -> Backup:
    return Backup(
        label=f"{job.instance.name}@{due_at:%Y%m%dT%H%M%SZ}-F",
        instance=job.instance,
        made_by=job,
        kind="full",
        engine="mariadb_backup",
        raw_bytes=3 * GIB + job.pk % 1000 * 2**20,
        stored_bytes=GIB,
        file_count=812,
        started_at=due_at,
        ended_at=ended_at + timedelta(seconds=job.pk % 60),
        lock_time=timedelta(milliseconds=55),
    )


def _occurrence(schedule: BackupSchedule, job: Job, due_at: datetime, missed: bool) -> Occurrence:
    return Occurrence(
        schedule=schedule,
        instance=job.instance,
        due_at=due_at,
        starts_at=due_at,
        late_after=due_at + timedelta(minutes=15),
        missed_after=due_at + timedelta(hours=4),
        status=OccurrenceStatus.MISSED if missed else OccurrenceStatus.SUCCEEDED,
        status_since=due_at,
        reason="no_worker" if missed else "",
        ended_at=due_at,
    )


def _parts(instances: list[Instance]) -> Iterator[list[Instance]]:
    for start in range(0, len(instances), 2000):
        yield instances[start : start + 2000]
