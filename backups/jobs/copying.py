"""What has to be copied so that a repository has a backup too, and how is that requested?

A chain is whole in one repository or not there at all: what the backup needs is copied first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backups.exceptions import BadInput, Refused
from backups.jobs.request import create_copy_job
from backups.models import Backup, BackupCopy, Job, Repository
from backups.models.repository import RepositoryKind
from backups.states import ACTIVE_JOB_STATUSES, CopyStatus, Operation

if TYPE_CHECKING:
    from django.contrib.auth.models import User

DAMAGED_HINT = "Purge that copy first, or copy to another repository."


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What would be copied, the full backup first: copies in the repository that is read."""

    source: BackupCopy
    target: Repository
    missing: Sequence[BackupCopy]

    @property
    def stored_bytes(self) -> int:
        return sum(copy.stored_bytes for copy in self.missing)


def plan_copying(source: BackupCopy, target: Repository) -> CopyPlan:
    """Return what is missing in ``target``; Refused or BadInput where it cannot be copied there."""
    backup = source.backup
    _refuse_unfit(source, target)
    needed = [row.ancestor for row in backup.ancestors.select_related("ancestor__instance")]
    chain = [*needed, backup]
    rows = BackupCopy.objects.filter(backup__in=chain).select_related(
        "repository", "backup__instance"
    )
    here = {row.backup_id: row for row in rows.filter(repository=source.repository)}
    there = {row.backup_id: row for row in rows.filter(repository=target)}
    missing = []
    for link in chain:
        original = here.get(link.pk)
        if original is None or original.status != CopyStatus.STORED:
            raise Refused(
                f"{source} needs {link.label}, which is not stored there",
                hint="Copy from another repository, with --from.",
            )
        if copied := there.get(link.pk):
            _refuse_unlike(original, copied)
        else:
            missing.append(original)
    if not missing:
        raise Refused(f"{backup.label} is in {target} already")
    return CopyPlan(source, target, missing)


def create_copying_job(
    source: BackupCopy,
    target: Repository,
    *,
    requested_by: User | None = None,
    actor: str = "",
    wake: bool = True,
) -> Job:
    """Request a copy of a backup, and of all that it needs, in another repository."""
    plan_copying(source, target)
    active = Job.objects.filter(operation=Operation.COPY, status__in=ACTIVE_JOB_STATUSES)
    for job in active.filter(backup=source.backup, repositories=target):
        if target_of(job) == target:
            raise Refused(f"{job} copies {source.backup.label} to {target} already")
    return create_copy_job(
        Operation.COPY,
        source,
        repositories=[source.repository, target],
        requested_by=requested_by,
        actor=actor,
        wake=wake,
    )


def target_of(job: Job) -> Repository:
    """Return the repository that gets the copy of a job, or raise BadInput."""
    repositories = job.repositories.all()
    if job.copy is not None:
        repositories = repositories.exclude(pk=job.copy.repository_id)
    target = repositories.first()
    if target is None:
        raise BadInput(f"{job} names no repository to copy to")
    return target


def possible_targets(backup: Backup) -> list[Repository]:
    """Return the repositories that have no copy of a backup and could get one."""
    copies = list(backup.copies.all())
    encrypted = {copy.encrypted for copy in copies if copy.status == CopyStatus.STORED}
    taken = {copy.repository_id for copy in copies}
    enabled = Repository.objects.filter(enabled=True, encrypted__in=encrypted)
    if backup.base_id is not None:
        enabled = enabled.exclude(kind=RepositoryKind.MEDIA)
    return list(enabled.exclude(pk__in=taken).order_by("name"))


def _refuse_unfit(source: BackupCopy, target: Repository) -> None:
    if source.repository_id == target.pk:
        raise BadInput(
            f"{source} cannot be copied to where it is", hint="Name another repository with --to."
        )
    if target.is_sequential and source.backup.base_id is not None:
        raise BadInput(
            f"{source} needs other backups, and {target} is on sequential media, which hold full "
            "backups only",
            hint="Consolidate it first, and copy the full backup that this makes.",
        )
    if not target.enabled:
        raise Refused(f"repository {target} is disabled", hint="Enable the repository first.")
    if source.encrypted != target.encrypted:
        is_, wants = (
            ("encrypted" if each else "not encrypted")
            for each in (source.encrypted, target.encrypted)
        )
        # The bytes are copied as they are.
        raise BadInput(
            f"{source} is {is_}, and backups in {target} are to be {wants}",
            hint="Copy to a repository of the same kind.",
        )


def _refuse_unlike(original: BackupCopy, copied: BackupCopy) -> None:
    """Raise Refused unless what is there already is the same, and sound."""
    if copied.status != CopyStatus.STORED:
        how = "was purged" if copied.status == CopyStatus.PURGED else "is being purged"
        raise Refused(
            f"{copied} {how}: a copy that was purged is not made again",
            hint="Take a new backup to both repositories.",
        )
    if copied.fault or copied.key_fault:
        reason = copied.fault_detail or copied.key_fault
        raise Refused(f"{copied} is damaged: {reason}", hint=DAMAGED_HINT)
    if copied.manifest_digest != original.manifest_digest:
        raise Refused(f"{copied} has another manifest than {original}", hint=DAMAGED_HINT)
