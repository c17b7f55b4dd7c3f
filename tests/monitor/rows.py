"""People and rows the pages are tested with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import Group, User

from backups.archive.contents import Contents, StoredFile
from backups.catalog.contents import store_contents
from backups.models import (
    Backup,
    BackupAncestor,
    BackupCopy,
    Evidence,
    Instance,
    Job,
    JobStage,
    Repository,
)
from backups.states import CopyStatus, JobStatus, Operation

T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
GIB = 1024**3


def make_user(name: str, group: str = "") -> User:
    """Create a user, of the group that stands for a role."""
    user = User.objects.create_user(name, password="a long password")
    if group:
        user.groups.add(Group.objects.get_or_create(name=group)[0])
    return user


def make_repository(name: str = "main", *, encrypted: bool = True) -> Repository:
    return Repository.objects.create(name=name, path=f"/srv/{name}", encrypted=encrypted)


def make_instance(name: str) -> Instance:
    return Instance.objects.create(name=name, flavour="mariadb", version="10.11.14-MariaDB-log")


def make_job(
    instance: Instance, status: JobStatus, operation: Operation = Operation.BACKUP, error: str = ""
) -> Job:
    """Create a job that was requested at T0 and, where it ended, took a minute."""
    active = status in (JobStatus.PENDING, JobStatus.RUNNING)
    return Job.objects.create(
        instance=instance,
        operation=operation,
        kind="full",
        engine=instance.engine,
        status=status,
        requested_at=T0,
        started_at=None if status == JobStatus.PENDING else T0,
        ended_at=None if active else T0 + timedelta(minutes=1),
        bytes_done=GIB,
        bytes_total=4 * GIB,
        rate_bytes_per_s=GIB,
        error=error,
    )


def record_tables(copy: BackupCopy, sizes: dict[str, int]) -> None:
    """Record the files of a copy's backup, with their sizes, as its registration does."""
    files = [
        StoredFile(number, path, size, size, 1, 1)
        for number, (path, size) in enumerate(sizes.items(), start=1)
    ]
    store_contents(copy.backup, Contents(files, (), (0,)))


# What a browser sends of the numbers of a retention policy that nobody has touched.
RETENTION_TYPED = {
    "keep_least": "3", "keep_chains": "0", "keep_hourly": "0", "keep_daily": "0",
    "keep_weekly": "0", "keep_monthly": "0", "keep_yearly": "0", "keep_proven": "1",
}  # fmt: skip


def make_backup(
    instance: Instance,
    repository: Repository,
    *,
    age: timedelta = timedelta(0),
    status: CopyStatus = CopyStatus.STORED,
) -> BackupCopy:
    """Create a backup that ended ``age`` before T0, and return its copy."""
    ended_at = T0 - age
    backup = Backup.objects.create(
        label=f"{instance.name}@{ended_at:%Y%m%dT%H%M%SZ}-F",
        instance=instance,
        kind="full",
        engine="mariadb_backup",
        to_lsn=4711,
        raw_bytes=3 * GIB,
        stored_bytes=GIB,
        file_count=812,
        started_at=ended_at - timedelta(minutes=3),
        ended_at=ended_at,
        lock_time=timedelta(milliseconds=55),
    )
    return BackupCopy.objects.create(
        backup=backup,
        repository=repository,
        path=f"instances/{instance.uuid}/backups/{backup.label}",
        status=status,
        stored_bytes=GIB,
        pack_count=4,
        key_id="k1" if repository.encrypted else "",
    )


def make_chain(
    instance: Instance, repository: Repository, letters: str, *, age: timedelta = timedelta(0)
) -> list[Backup]:
    """Create a chain of backups, an hour apart: ``FIID`` is a full one and three that need it.

    An incremental one is based on the one before, a differential one from the full one.
    """
    kinds = {"F": "full", "I": "incremental", "D": "differential"}
    chain: list[Backup] = []
    for number, letter in enumerate(letters):
        after = timedelta(hours=number)
        backup = make_backup(instance, repository, age=age - after).backup
        base = None if letter == "F" else chain[0] if letter == "D" else chain[-1]
        needed = [] if base is None else [*(row.ancestor for row in base.ancestors.all()), base]
        backup.kind, backup.base = kinds[letter], base
        backup.label = f"{backup.label[:-1]}{letter}"
        backup.save()
        for position, ancestor in enumerate(needed):
            BackupAncestor.objects.create(backup=backup, ancestor=ancestor, position=position)
        chain.append(backup)
    return chain


def make_evidence(copy: BackupCopy, operation: Operation, *, passed: bool) -> Evidence:
    return Evidence.objects.create(
        copy=copy, operation=operation, passed=passed, created_at=T0, report={"tables": 812}
    )


def make_stages(job: Job, count: int) -> list[JobStage]:
    """Create one stage that runs an engine, and ``count`` of the engine's below it."""
    engine = JobStage.objects.create(job=job, position=0, name="copy", started_at=T0)
    return [
        JobStage.objects.create(
            job=job, position=n, name=f"part {n}", parent=engine, started_at=T0, ended_at=T0
        )
        for n in range(1, count + 1)
    ]


def make_fleet(size: int, repository: Repository) -> None:
    """Create instances with every kind of row the fleet page draws."""
    for n in range(size):
        instance = make_instance(f"shard-{n:02}")
        copy = make_backup(instance, repository)
        make_evidence(copy, Operation.VERIFY, passed=True)
        make_evidence(copy, Operation.RESTORE_TEST, passed=n % 2 == 0)
        make_job(instance, JobStatus.FAILED, error="the server went away")
        make_job(instance, JobStatus.SUCCEEDED, Operation.VERIFY)
        make_job(instance, JobStatus.RUNNING)
