"""Where does a new backup go, and what of it has to be removed if it is not finished?"""

from __future__ import annotations

from datetime import timedelta

from backups.access import checked_store
from backups.exceptions import StageFailed
from backups.models import Backup
from backups.running.run import Run
from backups.stages.backup.work import NewBackup
from backups.transitions.jobs import own
from backups.units import format_bytes

# How far a label may be after the start of its backup.
MOST_LABEL_SHIFT = timedelta(seconds=10)


def reserve(run: Run, work: NewBackup) -> None:
    """Record on the row, before any byte is written, where a tick would find leftovers."""
    # Two backups may begin within a second, and a clock may be set back.
    while taken := _whose_label(work):
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
    # If another disk is mounted at the path, a tick removes the bytes when theirs is back.
    stores = [checked_store(repository) for repository, _ in work.stores]
    freed = sum(store.remove_tree(work.folder) for store in stores)
    run.forget_leftovers()
    run.log(stage, f"removed {format_bytes(freed)} of the unfinished backup")
    for repository, _ in work.stores:
        if repository.write_only:
            run.log(stage, f"what {repository} has of it is left to the lifecycle of the store")


def _whose_label(work: NewBackup) -> str:
    """Return what already has a backup of that label; blank where nothing has."""
    for repository, store in work.stores:
        if store.holds(work.folder):
            return str(repository)
    return "the catalog" if Backup.objects.filter(label=work.label).exists() else ""
