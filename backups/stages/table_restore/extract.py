"""Extracts the files of the wanted tables and those without which no server starts."""

from __future__ import annotations

from collections.abc import Sequence

from backups.archive.whole_reads import read_in_full
from backups.exceptions import StageFailed
from backups.opened_tables.open import extract_part
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.link_stages import LinkStages, link_names
from backups.stages.media import stopped_with
from backups.stages.table_restore.work import TableRestoreWork
from backups.units import format_bytes


class ExtractTables(PlainStage[TableRestoreWork]):
    name = "extract"

    def children(self, run: Run) -> Sequence[str]:
        return link_names(run.job)

    def run(self, run: Run, work: TableRestoreWork) -> str:
        found, data = work.part(), work.data()
        data.mkdir(mode=0o700)
        meter = run.new_meter()
        if whole := read_in_full(found.chain):
            run.log(self.name, whole)
        links = LinkStages(run, found.chain)
        try:
            with stopped_with(run, (reader.store for reader in found.chain)):
                read = extract_part(found, data, run, meter, links)
        except OSError as exc:
            raise StageFailed(
                f"{exc.filename or data}: {exc.strerror}",
                hint="Check the disk of the scratch folder, MOORING_SCRATCH.",
            ) from exc
        size, whole_size = format_bytes(read.read_bytes), format_bytes(read.stored_bytes)
        return f"{size} of {whole_size} read, {format_bytes(meter.raw_bytes)} written"
