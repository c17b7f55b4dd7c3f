"""May a job that has ended be run once more, and as what?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backups.engines.clone import CloneOptions
from backups.exceptions import Refused
from backups.jobs.request import create_backup_job, create_copy_job
from backups.models import Job
from backups.models.catalog import Origin
from backups.parameters import BackupParameters, parameters_of
from backups.states import Operation

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def why_not_again(job: Job) -> str:
    """Say why a job is not run again; blank where it can be."""
    if job.active:
        return "it has not ended yet"
    if job.origin == Origin.OBSERVED:
        return "somebody else ran it"
    if job.operation == Operation.RESTORE:
        # Nor is the server program that an admin named handed on to somebody else.
        return "a restore is asked for under Restore, where its target is confirmed"
    if job.operation == Operation.PURGE:
        return "a purge is asked for on the backup's own page, where it is confirmed"
    if job.operation != Operation.BACKUP and job.copy is None:
        return "the copy it worked on is not known any more"
    return ""


def run_again(job: Job, *, requested_by: User) -> Job:
    """Ask for the same as a new job; Refused where that cannot be."""
    if reason := why_not_again(job):
        raise Refused(f"{job} is not run again: {reason}")
    asked = parameters_of(job)
    if isinstance(asked, BackupParameters):
        options = asked.options
        return create_backup_job(
            job.instance,
            kind=job.kind,
            repositories=list(job.repositories.all()),
            save_foreign_tables=(
                options.save_foreign_tables if isinstance(options, CloneOptions) else None
            ),
            requested_by=requested_by,
        )
    assert job.copy is not None
    return create_copy_job(
        Operation(job.operation), job.copy, requested_by=requested_by, parameters=asked
    )
