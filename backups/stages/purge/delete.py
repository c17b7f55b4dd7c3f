"""Deletes the bytes. An interrupted purge is finished by a tick, or by the next purge."""

from __future__ import annotations

from django.db import transaction
from django.utils.timezone import now

from backups.access import checked_store
from backups.models import BackupCopy
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.purge.decide import PurgeWork
from backups.transitions.copies import purge_copy
from backups.transitions.deletions import finish_deletions
from backups.transitions.jobs import own
from backups.units import format_bytes


class Delete(PlainStage[PurgeWork]):
    name = "delete"
    # Deleting thousands of packs on a slow disk has no output.
    watched = False

    def should_run(self, run: Run, work: PurgeWork) -> bool:
        return not work.marked

    def run(self, run: Run, work: PurgeWork) -> str:
        freed = delete_copy(work.copy)
        own(run.job, run.token, leftovers=False)
        if freed is None:
            return f"left to the lifecycle of {work.copy.repository}, which is write-only"
        return f"{format_bytes(freed)} freed"


def delete_copy(copy: BackupCopy) -> int | None:
    """Delete an expired copy's bytes, then record it on its row; return how many there were.

    None in a write-only repository: the copy stays expired until its objects are found gone.
    """
    if copy.repository.write_only:
        return None
    freed = checked_store(copy.repository).remove_tree(copy.path)
    with transaction.atomic():
        purge_copy(copy, now=now())
        finish_deletions(copy, now())
    return freed
