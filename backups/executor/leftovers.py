"""What did a dead worker leave behind, and how is it removed?

A job's row is marked before its first byte is written. When the job has ended and the mark
remains, its worker could not clean up: a tick does, and retries until it succeeds.
"""

from __future__ import annotations

import logging
import os
import socket
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import QuerySet
from django.utils.timezone import now

from backups.access import checked_store
from backups.catalog.register import register_finished
from backups.exceptions import MooringError, Refused
from backups.jobs.copying import target_of
from backups.keys.load import load_keys
from backups.models import Backup, BackupCopy, Job, KeptRestore, WantedCopy
from backups.models.clock import shared
from backups.models.wanted_copy import WantCause
from backups.opened_tables.work_folder import remove_abandoned
from backups.parameters import ExportParameters, RestoreParameters, RestoreTableParameters
from backups.programs.run_folder import remove_unheld
from backups.repositories.exported.writer import remove_unfinished
from backups.repositories.layout import backup_folder, manifest_name
from backups.restores.target import release_folder, size_of
from backups.runners.groups import START_TOLERANCE_SECONDS, end_group, start_time
from backups.stages.purge.delete import delete_copy
from backups.stages.restore.work import scratch_folder
from backups.states import TERMINAL_JOB_STATUSES, CopyStatus, JobStatus, Operation
from backups.table_restores.leftovers import remove_unfinished_tables
from backups.transitions.jobs import lose
from backups.transitions.wanted_copies import want_copy

logger = logging.getLogger(__name__)

# Then nobody expects that host back: a container gets another name with each start.
ELSEWHERE_FOR = timedelta(days=30)


class LeftElsewhere(Refused):
    """What a job left is not here, and may be on another host."""


def extend_expired(now: datetime) -> int:
    """Extend expired leases once, so that running workers can renew them; return how many.

    A dead worker is detected one lease later. A worker that has given up in the meantime did
    so by its own clock, and writes nothing more.
    """
    expired = Job.objects.filter(status=JobStatus.RUNNING, lease_expires_at__lte=shared(now))
    return expired.update(lease_expires_at=shared(now) + timedelta(seconds=settings.LEASE_SECONDS))


def lose_expired(now: datetime) -> int:
    """Mark running jobs with an expired lease as lost; return how many."""
    expired = Job.objects.filter(status=JobStatus.RUNNING, lease_expires_at__lte=shared(now))
    return sum(lose(job, now=now) for job in expired.select_related("instance"))


def lose_dead(now: datetime) -> int:
    """Mark the jobs of dead processes of this host as lost; return how many.

    Needs no earlier tick: a dead process renews nothing. A pid that has been reused since is
    detected by the start time of its process.
    """
    here = f"{socket.gethostname()}:"
    expired = Job.objects.filter(
        status=JobStatus.RUNNING, lease_expires_at__lte=shared(now), worker__startswith=here
    )
    dead = [
        job
        for job in expired.select_related("instance")
        if _is_gone(int(job.worker.removeprefix(here)), job)
    ]
    return sum(lose(job, now=now) for job in dead)


def clear_up_here(at: datetime) -> None:
    """Clean up after dead processes of this host, in place of a tick that may not run."""
    lose_dead(at)
    # Leftovers on another host cannot be seen from here.
    remove_leftovers_of_host()


def remove_leftovers_of_host() -> int:
    """Remove what ended jobs left on this host: a tick on another one does not see it."""
    return remove_leftovers(of_host=socket.gethostname())


def _is_gone(pid: int, job: Job) -> bool:
    if pid == os.getpid():
        # As in a container, where every command has the same pid.
        return True
    began = start_time(pid)
    claimed = job.started_at.timestamp() if job.started_at else 0.0
    return not began or began > claimed + START_TOLERANCE_SECONDS


def remove_leftovers(*, of_host: str = "") -> int:
    """Remove the leftovers of ended jobs, or those of one host; return how many are clean now.

    Failures are tried again. Folders of this host in which tables were opened, and those of
    private servers whose process is gone, go as well.
    """
    remove_abandoned()
    remove_unheld()
    dirty = Job.objects.filter(leftovers=True, status__in=TERMINAL_JOB_STATUSES)
    if of_host:
        dirty = dirty.filter(worker__startswith=f"{of_host}:")
    look_after_kept(dirty.filter(kept__isnull=False))
    # Somebody may go on with it, or removes it.
    dirty = dirty.filter(kept=None)
    clean = 0
    for job in dirty.select_related("instance", "copy__repository"):
        try:
            _clear(job)
        except LeftElsewhere:
            # The page of the job says so; a warning every ten seconds would hide others.
            continue
        except (MooringError, OSError) as exc:
            logger.warning(
                "%s: leftovers not removed, retrying later: %s",
                job,
                exc,
                extra={"action": "leftovers_kept", "job_id": job.pk},
            )
            continue
        Job.objects.filter(pk=job.pk).update(leftovers=False)
        clean += 1
    return clean


def look_after_kept(jobs: QuerySet[Job]) -> None:
    """End what a dead worker has left running on a kept folder of this host, and measure it."""
    mine = jobs.filter(kept__host=socket.gethostname(), kept__bytes=None)
    for job in mine.select_related("kept"):
        try:
            _end_orphan(job)
            size = size_of(Path(job.kept.target))
        except (MooringError, OSError) as exc:
            # It may be on a disk that is not there now; everything else is cleared up all the same.
            logger.warning(
                "%s: the kept folder is not measured: %s",
                job,
                exc,
                extra={"action": "kept_not_measured", "job_id": job.pk},
            )
            continue
        KeptRestore.objects.filter(pk=job.kept.pk, job=job).update(bytes=size)


def _clear(job: Job) -> None:
    _end_orphan(job)
    match Operation(job.operation):
        case Operation.BACKUP | Operation.CONSOLIDATE:
            _remove_partial_backup(job)
        case Operation.COPY:
            _remove_partial_copy(job)
        case Operation.RESTORE:
            asked = RestoreParameters.of(job)
            _prove_removed(job, release_folder(asked.target, asked.mark or job.pk))
        case Operation.RESTORE_TABLE:
            unfinished = remove_unfinished_tables(RestoreTableParameters.of(job), job.pk)
            _prove_removed(job, unfinished)
        case Operation.RESTORE_TEST | Operation.REHEARSAL:
            _prove_removed(job, release_folder(scratch_folder(job), job.pk))
        case Operation.EXPORT:
            _prove_removed(job, remove_unfinished(ExportParameters.of(job).target, job.pk))
        case Operation.PURGE:
            _finish_purge(job)


def _prove_removed(job: Job, removed: bool) -> None:
    """Raise Refused if there was nothing here, but may be on the host of the job's worker.

    What was found was the job's, by its mark or name, wherever the worker saw it from.
    """
    here, ended = socket.gethostname(), job.ended_at or job.requested_at
    if not removed and job.worker_host != here and now() - ended <= ELSEWHERE_FOR:
        raise LeftElsewhere(f"its leftovers are on {job.worker_host}, this is {here}")


def _remove_partial_backup(job: Job) -> None:
    if not job.label:
        return
    folder = backup_folder(job.instance.uuid, job.label)
    known = BackupCopy.objects.filter(backup__label=job.label).values("repository")
    failed = WantedCopy.objects.filter(backup__label=job.label).values_list("repository", flat=True)
    given_up = set(failed)
    refuse_while_copied(job)
    for repository in job.repositories.exclude(pk__in=known):
        # The bytes are not on another disk at the same path: leave it, and retry.
        store = checked_store(repository)
        lost = job.status == JobStatus.LOST and repository.pk not in given_up
        if lost and store.exists(manifest_name(folder)):
            register_finished(job, repository, load_keys() if repository.encrypted else None)
            logger.warning(
                "%s: %s was complete in %s and is registered now",
                job,
                job.label,
                repository,
                extra={"action": "leftovers_registered", "job_id": job.pk},
            )
            continue
        freed = store.remove_tree(folder)
        logger.info(
            "%s: removed %d partial bytes from %s",
            job,
            freed,
            repository,
            extra={"action": "leftovers_removed", "job_id": job.pk},
        )
    _want_missing_copies(job)


def refuse_while_copied(job: Job) -> None:
    """Raise Refused while a copy writes what has the same name: its bytes are no leftovers."""
    copying = Job.objects.filter(operation=Operation.COPY, status=JobStatus.RUNNING)
    if writing := copying.filter(label=job.label).first():
        raise Refused(f"{writing} writes {job.label}")


def _remove_partial_copy(job: Job) -> None:
    """Remove what a copy has left of the backup that was on its way."""
    refuse_while_copied(job)
    target, folder = target_of(job), backup_folder(job.instance.uuid, job.label)
    if not job.label or BackupCopy.objects.filter(backup__label=job.label, repository=target):
        return
    freed = checked_store(target).remove_tree(folder)
    logger.info(
        "%s: removed %d partial bytes of %s from %s",
        job,
        freed,
        job.label,
        target,
        extra={"action": "leftovers_removed", "job_id": job.pk},
    )


def _want_missing_copies(job: Job) -> None:
    """Record which repositories have no copy of a backup that exists though its job was lost."""
    backup = Backup.objects.filter(made_by=job).first()
    if backup is None or job.status != JobStatus.LOST:
        return
    known = backup.copies.values("repository")
    wanted = backup.wanted_copies.values("repository")
    for repository in job.repositories.exclude(pk__in=known).exclude(pk__in=wanted):
        error = "the worker was lost before it was whole"
        want_copy(backup, repository, WantCause.FAILED, error=error, job=job)


def _finish_purge(job: Job) -> None:
    """Delete the bytes of an expired copy: its reason is recorded, and nothing reads it."""
    if job.copy is not None and job.copy.status == CopyStatus.EXPIRED:
        delete_copy(job.copy)


def _end_orphan(job: Job) -> None:
    """End the engine of a dead worker of this host, if it is still the same process."""
    if job.process_group is None or job.process_started_at is None:
        return
    if job.worker_host == socket.gethostname():
        end_group(job.process_group, job.process_started_at)
