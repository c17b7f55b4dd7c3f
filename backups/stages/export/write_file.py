"""Writes the file: the stored bytes as they are, compared with the manifests on the way."""

from __future__ import annotations

from backups.archive.export import export_chain
from backups.repositories.exported.writer import ExportWriter, remove_unfinished
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.export.work import ExportWork
from backups.stages.media import stopped_with
from backups.transitions.jobs import own
from backups.units import format_bytes, format_count


class WriteFile(PlainStage[ExportWork]):
    name = "write file"

    def run(self, run: Run, work: ExportWork) -> str:
        own(run.job, run.token, leftovers=True)
        meter = run.new_meter()
        stores = [reader.store for reader in work.opened()]
        with ExportWriter(work.target, run.job.pk) as writer, stopped_with(run, stores):
            export_chain(work.opened(), work.identity, writer, check=run.check, meter=meter)
            run.check()
            writer.finish()
        backups = format_count(len(work.opened()), "backup")
        return f"{backups}, {format_bytes(meter.raw_bytes)}"

    def clean_up(self, run: Run, work: ExportWork) -> None:
        remove_unfinished(work.target, run.job.pk)
        run.forget_leftovers()
