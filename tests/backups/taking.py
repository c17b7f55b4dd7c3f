"""Jobs run as a worker runs them, here or in a thread that a test can reach into."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from django.db import connection

from backups.executor.execute import execute
from backups.jobs.request import create_backup_job, create_copy_job, create_restore_job
from backups.models import (
    Backup,
    BackupCopy,
    BackupSchedule,
    Evidence,
    Instance,
    Job,
    Occurrence,
    Repository,
)
from backups.parameters import PurgeParameters
from backups.states import JobStatus, Operation


def take_backup(instance: Instance, *repositories: Repository) -> Backup:
    """Take a backup that must succeed."""
    job = run_here(create_backup_job(instance, repositories=repositories or None, wake=False))
    assert (job.status, job.error) == (JobStatus.SUCCEEDED, "")
    return Backup.objects.get(made_by=job)


def made_by_schedule(schedule: BackupSchedule, backup: Backup) -> None:
    """As if it had been the schedule that requested it."""
    at, job = backup.started_at, backup.made_by
    assert job is not None
    occurrence = Occurrence.objects.create(
        schedule=schedule, instance=backup.instance, due_at=at, starts_at=at, late_after=at,
        missed_after=at, status="succeeded", job=job,
    )  # fmt: skip
    Job.objects.filter(pk=job.pk).update(occurrence=occurrence)


def restore(copy: BackupCopy, target: Path, *, raw: bool = True) -> Job:
    return run_here(create_restore_job(copy, target, raw=raw, wake=False))


def purge(copy: BackupCopy, *, force: bool = False, at_once: bool = True) -> Job:
    """Purge a copy, without the delay of its repository unless that is what is tested."""
    asked = PurgeParameters("a test", force=force, at_once=at_once)
    return run_here(create_copy_job(Operation.PURGE, copy, parameters=asked, wake=False))


def prove(copy: BackupCopy, operation: str, *, passed: bool) -> Evidence:
    """Record what a verify or a restore test of the stored bytes found."""
    return Evidence.objects.create(
        copy=copy,
        operation=operation,
        passed=passed,
        manifest_digest=copy.manifest_digest,
    )


def run_here(job: Job) -> Job:
    assert execute(job)
    job.refresh_from_db()
    return job


class Running:
    """A job at work in a thread of its own."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def reach(self, event: threading.Event | Callable[[], bool]) -> None:
        """Wait for what must happen while the job is at work, however slow the machine is."""
        happened = event.is_set if isinstance(event, threading.Event) else event
        while not happened():
            assert self._thread.is_alive(), "the job ended before it got there"
            self._thread.join(0.05)

    def end(self) -> Job:
        """Wait for its end and return its row."""
        self._thread.join()
        self.job.refresh_from_db()
        return self.job

    def _run(self) -> None:
        try:
            execute(Job.objects.get(pk=self.job.pk))
        finally:
            connection.close()


def stored_files(repository: Repository) -> list[str]:
    """Every file of a repository, unfinished ones too."""
    top = Path(repository.path)
    return sorted(path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file())
