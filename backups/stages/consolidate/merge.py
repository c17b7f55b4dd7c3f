"""Writes the live blocks of a chain as a full backup, in every repository at once."""

from __future__ import annotations

from django.conf import settings

from backups.archive.blocks.consolidate import consolidate
from backups.archive.blocks.damaged_link import DamagedLink
from backups.catalog.copies import labels_needing
from backups.models import BackupCopy
from backups.models.job import LogLevel
from backups.running.run import Run
from backups.stages.backup.reserve import remove_unfinished, reserve
from backups.stages.base import PlainStage
from backups.stages.consolidate.work import ConsolidateWork
from backups.stages.proof.evidence import record_damage
from backups.units import format_bytes


class Merge(PlainStage[ConsolidateWork]):
    name = "merge"

    def run(self, run: Run, work: ConsolidateWork) -> str:
        chain = work.opened()
        reserve(run, work)
        meter = run.new_meter()
        try:
            work.contents = consolidate(
                chain,
                work.all_stores(run),
                work.folder,
                backup=work.backup,
                cipher=work.cipher(),
                threads=settings.COPY_THREADS,
                level=settings.COMPRESSION_LEVEL,
                check=run.check,
                meter=meter,
            )
        except DamagedLink as exc:
            self._record(run, work.copy, exc)
            raise
        meter.raw_bytes_total, meter.files_total = meter.raw_bytes, meter.files_done
        return (
            f"{len(work.contents.files)} files, {format_bytes(work.contents.raw_bytes)} "
            f"stored as {format_bytes(work.contents.stored_bytes)}"
        )

    def _record(self, run: Run, link: BackupCopy, damaged: DamagedLink) -> None:
        """Write evidence against the copy that is damaged, and name what cannot do without it."""
        copy = BackupCopy.objects.filter(
            repository=link.repository, backup__uuid=damaged.backup
        ).first()
        if copy is None:
            return
        record_damage(run, copy, str(damaged), consolidation_of=link.backup.label)
        if names := ", ".join(labels_needing(copy)):
            run.log(self.name, f"needed to restore {names}", LogLevel.ERROR)

    def clean_up(self, run: Run, work: ConsolidateWork) -> None:
        remove_unfinished(run, work, self.name)
