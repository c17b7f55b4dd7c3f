"""May a chain be made into a full backup of its own, and how is that requested?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from backups.exceptions import Refused
from backups.jobs.request import create_copy_job, refuse_unfit
from backups.models import Backup, BackupCopy, Job, Repository
from backups.states import ACTIVE_JOB_STATUSES, CHOSEN_KINDS, CopyStatus, Operation

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def create_consolidate_job(
    copy: BackupCopy, *, requested_by: User | None = None, actor: str = "", wake: bool = True
) -> Job:
    """Request a full backup that is made of a chain, in every repository that has its last link.

    ``copy`` is the one that is read.
    """
    backup = copy.backup
    refuse_unfit_chain(backup)
    if Job.objects.filter(
        operation=Operation.CONSOLIDATE, backup=backup, status__in=ACTIVE_JOB_STATUSES
    ).exists():
        raise Refused(f"a consolidation of {backup.label} is already queued or running")
    stored = Repository.objects.filter(copies__backup=backup, copies__status=CopyStatus.STORED)
    repositories = list(stored.filter(enabled=True).order_by("id")) or [copy.repository]
    refuse_unfit(repositories)
    return create_copy_job(
        Operation.CONSOLIDATE,
        copy,
        repositories=repositories,
        requested_by=requested_by,
        actor=actor,
        wake=wake,
    )


def refuse_unfit_chain(backup: Backup) -> None:
    """Raise Refused where there is nothing to consolidate, or where it was done before."""
    if backup.base_id is None:
        what = "stands alone" if backup.kind in CHOSEN_KINDS else "is a full backup"
        raise Refused(
            f"{backup.label} {what}: it needs no other",
            hint="Name an incremental or differential backup, or a partial increment.",
        )
    if done := consolidated_of(backup):
        raise Refused(
            f"{backup.label} is consolidated already: {done.label}",
            hint="Purge that one first to make it again.",
        )


def consolidated_of(backup: Backup) -> Backup | None:
    """Return the stored full backup that was made of a link; None without one."""
    stored = BackupCopy.objects.filter(status=CopyStatus.STORED).values("backup")
    made = Backup.objects.filter(instance=backup.instance_id, consolidated_from=backup.label)
    return made.filter(pk__in=stored).first()
