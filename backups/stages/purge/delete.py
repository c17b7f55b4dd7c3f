"""The bytes go. A purge that was cut short is finished by the next one."""

from __future__ import annotations

from django.utils.timezone import now

from backups.access import store_of
from backups.run import Run
from backups.stages.base import PlainStage
from backups.stages.purge.decide import PurgeWork
from backups.transitions import purge_copy
from backups.units import format_bytes


class Delete(PlainStage[PurgeWork]):
    name = "delete"
    # Deleting thousands of packs on a slow disk is silent work.
    watched = False

    def run(self, run: Run, work: PurgeWork) -> str:
        freed = store_of(work.copy.repository).remove_tree(work.copy.path)
        purge_copy(work.copy, now=now())
        return f"{format_bytes(freed)} freed"
