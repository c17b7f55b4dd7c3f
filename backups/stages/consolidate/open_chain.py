"""Can the chain be read, and is there room for what is made of it?"""

from __future__ import annotations

from backups.access import checked_store
from backups.catalog.copies import open_chain
from backups.exceptions import Refused
from backups.jobs.consolidation import refuse_unfit_chain
from backups.preflight.space_estimate import RESERVE_BYTES
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.consolidate.work import ConsolidateWork
from backups.units import format_bytes


class OpenChain(PlainStage[ConsolidateWork]):
    name = "open chain"
    may_refuse = True

    def run(self, run: Run, work: ConsolidateWork) -> str:
        refuse_unfit_chain(work.copy.backup)
        # From here on a purge sees that the copy is read, and keeps all that it needs.
        work.chain = open_chain(work.copy)
        self._refuse_full_disks(work)
        labels = [reader.manifest.envelope.label for reader in work.chain]
        return f"{len(labels)} backups, the full one {labels[0]}"

    def _refuse_full_disks(self, work: ConsolidateWork) -> None:
        # About as much as the full backup it takes the place of.
        need = work.opened()[0].manifest.contents.stored_bytes
        for repository, _ in work.stores:
            free = checked_store(repository).free_bytes()
            if free is not None and free - RESERVE_BYTES < need:
                reserve = f"{format_bytes(RESERVE_BYTES)} of it kept in reserve"
                raise Refused(
                    f"about {format_bytes(need)} needed in {repository}, "
                    f"{format_bytes(free)} free, {reserve}",
                    hint="Free space in the repository, or purge backups there.",
                )
