"""May a job that has ended be run again, and with which parameters?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backups.engines.clone import CloneOptions
from backups.engines.mariadb_backup import MariadbOptions
from backups.exceptions import Refused
from backups.jobs.consolidation import create_consolidate_job
from backups.jobs.copying import create_copying_job, target_of
from backups.jobs.request import create_backup_job, create_copy_job
from backups.models import Job
from backups.models.catalog import Origin
from backups.parameters import BackupParameters, parameters_of
from backups.states import KindCause, Operation

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def why_not_rerun(job: Job) -> str:
    """Return why a job cannot be run again; blank if it can."""
    if job.active:
        return "it has not ended yet"
    if job.origin == Origin.OBSERVED:
        return "Mooring did not run it: it was read from the tool's history"
    if job.operation == Operation.RESTORE:
        # Nor is a server program that an admin chose passed on to another user's job.
        return "a restore is started under Restore, where its target is confirmed"
    if job.operation == Operation.REHEARSAL:
        # It runs a server program that an admin of the worker's host named.
        return "a rehearsal is started with rehearseupgrade, which names its server program"
    if job.operation == Operation.RESTORE_TABLE:
        return "a restore of tables is started with restoretable, which names where they go"
    if job.operation == Operation.EXPORT:
        return "an export is started with exportbackup, which names its file"
    if job.operation == Operation.PURGE:
        return "a purge is started on the backup's page, where it is confirmed"
    if job.operation != Operation.BACKUP and job.copy is None:
        return "the copy it worked on is no longer in the catalog"
    return ""


def rerun(job: Job, *, requested_by: User) -> Job:
    """Request the same as a new job, or raise Refused."""
    if reason := why_not_rerun(job):
        raise Refused(f"{job} cannot be run again: {reason}")
    asked = parameters_of(job)
    if isinstance(asked, BackupParameters):
        options = asked.options
        return create_backup_job(
            job.instance,
            # One that was to make up for a full backup still is.
            kind=(
                job.kind
                if job.kind_cause == KindCause.FULL_OVERDUE
                else job.requested_kind or job.kind
            ),
            repositories=list(job.repositories.all()),
            save_foreign_tables=(
                options.save_foreign_tables if isinstance(options, CloneOptions) else None
            ),
            choice=options.choice,
            incremental=options.is_increment,
            optimistic=(
                options if isinstance(options, MariadbOptions) and options.optimistic else None
            ),
            requested_by=requested_by,
        )
    assert job.copy is not None
    if job.operation == Operation.CONSOLIDATE:
        return create_consolidate_job(job.copy, requested_by=requested_by)
    if job.operation == Operation.COPY:
        return create_copying_job(job.copy, target_of(job), requested_by=requested_by)
    return create_copy_job(
        Operation(job.operation), job.copy, requested_by=requested_by, parameters=asked
    )
