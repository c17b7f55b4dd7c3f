"""Where does a new backup go, and what of it has to be removed if it is not finished?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from backups.access import checked_store
from backups.exceptions import MooringError, StageFailed
from backups.models import Backup, Repository
from backups.running.run import Run
from backups.stages.backup.work import NewBackup
from backups.transitions.jobs import own
from backups.units import format_bytes

# How far a label may be after the start of its backup.
MOST_LABEL_SHIFT = timedelta(seconds=10)


def reserve(run: Run, work: NewBackup) -> None:
    """Record on the row, before any byte is written, where a tick would find leftovers."""
    # Two backups may begin within a second, and a clock may be set back.
    while taken := _whose_label(run, work):
        if work.label_shift >= MOST_LABEL_SHIFT:
            raise StageFailed(
                f"{taken} already has a backup {work.label}",
                hint="Start the backup again: labels contain the second of the start.",
            )
        work.label_shift += timedelta(seconds=1)
    own(run.job, run.token, label=work.label, leftovers=True)
    work.reserved = True


def remove_unfinished(run: Run, work: NewBackup, stage: str) -> None:
    """Remove the bytes of the attempt, unless the folder is another's or already a backup."""
    if not work.reserved or Backup.objects.filter(uuid=work.backup).exists():
        return
    remove_parts(run, work, [*work.repositories, *work.with_parts], stage)


def remove_parts(run: Run, work: NewBackup, repositories: Sequence[Repository], stage: str) -> None:
    """Remove what repositories have of the attempt; raise the error of one where that failed."""
    freed, errors = 0, []
    for repository in repositories:
        try:
            # If another disk is mounted at the path, a tick removes the bytes when theirs is back.
            freed += checked_store(repository).remove_tree(work.folder)
        except MooringError as exc:
            errors.append(exc)
    run.log(stage, f"removed {format_bytes(freed)} of the unfinished backup")
    for repository in repositories:
        if repository.write_only:
            run.log(stage, f"what {repository} has of it is left to the lifecycle of the store")
    if errors:
        raise errors[0]
    run.forget_leftovers()


def _whose_label(run: Run, work: NewBackup) -> str:
    """Return what already has a backup of that label; blank where nothing has."""
    for repository, store in list(work.stores):
        with work.or_leave(run, repository):
            if store.holds(work.folder):
                return str(repository)
    return "the catalog" if Backup.objects.filter(label=work.label).exists() else ""
