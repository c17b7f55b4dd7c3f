"""Extracts the stored bytes into files."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from django.conf import settings
from django.utils.timezone import now

from backups.archive.extract import extract
from backups.archive.whole_reads import read_in_full
from backups.exceptions import StageFailed
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.stages.link_stages import LinkStages, link_names
from backups.stages.media import stopped_with
from backups.stages.restore.work import RestoreWork
from backups.units import format_bytes


class Extract(PlainStage[RestoreWork]):
    name = "extract"

    def children(self, run: Run) -> Sequence[str]:
        return link_names(run.job)

    def run(self, run: Run, work: RestoreWork) -> str:
        work.began_at = now()
        meter = run.new_meter()
        links = LinkStages(run, work.chain)
        if whole := read_in_full(work.chain):
            run.log(self.name, whole)
        try:
            with stopped_with(run, (reader.store for reader in work.chain)):
                count = extract(
                    work.chain,
                    work.target,
                    threads=settings.COPY_THREADS,
                    check=run.check,
                    meter=meter,
                    watch=links,
                )
        except OSError as exc:
            full = exc.errno in {errno.ENOSPC, errno.EDQUOT}
            raise StageFailed(
                f"{exc.filename or work.target}: {exc.strerror}",
                hint="Free space on the target's disk and restore again." if full else "",
            ) from exc
        return f"{count} files, {format_bytes(meter.raw_bytes)}{links.in_words()}"
