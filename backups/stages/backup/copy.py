"""Stores the engine's records through the archive's pipeline in every repository."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from backups.access import runner_of
from backups.archive.contents import Contents
from backups.archive.meter import Meter
from backups.archive.writer import ArchiveWriter
from backups.engines import CopyRequest, EngineOptions, engine_named
from backups.exceptions import LockNotGranted, StrayFile
from backups.instances.connection import login_of
from backups.instances.facts import CURRENT, FLUSHED
from backups.jobs.request import create_copy_job
from backups.models import Backup
from backups.models.job import LogLevel
from backups.parameters import BackupParameters
from backups.running.run import Run
from backups.stages.backup.chosen import note_missing, tables_to_copy
from backups.stages.backup.copy_pace import CopyPace
from backups.stages.backup.definitions import add_definitions
from backups.stages.backup.lock_wait import with_holders
from backups.stages.backup.one_server import read_lsn, refuse_another_source
from backups.stages.backup.reserve import remove_unfinished, reserve
from backups.stages.backup.strays import name_stray
from backups.stages.backup.work import BackupWork
from backups.stages.base import PlainStage
from backups.stages.media import stopped_with
from backups.states import CopyStatus, Operation
from backups.units import format_bytes


class Copy(PlainStage[BackupWork]):
    name = "copy"

    def children(self, run: Run) -> Sequence[str]:
        skipped = BackupParameters.of(run.job).options.skipped_stages
        return [name for name in engine_named(run.job.engine).stages if name not in skipped]

    def run(self, run: Run, work: BackupWork) -> str:
        meter = run.new_meter()
        if work.preflight is not None:
            # Estimates: an engine knows the size of its copy only at the end.
            meter.raw_bytes_total = work.preflight.survey.raw_bytes
            meter.files_total = work.preflight.survey.file_count
        reserve(run, work)
        pace = CopyPace(run, work)
        writer = _open_writer(run, work, pace)
        try:
            with stopped_with(run, (store for _, store in work.stores)):
                self._copy(run, work, writer, pace)
                add_definitions(run, work, writer)
                work.contents = writer.finish()
                note_missing(run, work, work.contents)
        except LockNotGranted as exc:
            writer.abort()
            raise with_holders(exc, work) from None
        except BaseException as exc:
            writer.abort()
            if isinstance(exc, StrayFile):
                name_stray(exc, work.job.instance)
            raise
        meter.raw_bytes_total, meter.files_total = meter.raw_bytes, meter.files_done
        if work.differences and work.differences.ended:
            why = f"changed blocks are stored whole: {work.differences.ended}"
            if work.differences.is_full_unreadable and work.base is not None:
                why += f"; {_request_verify(work, work.base)}"
            run.log(self.name, why, LogLevel.WARNING)
        return _summary(work, work.contents, meter)

    def clean_up(self, run: Run, work: BackupWork) -> None:
        remove_unfinished(run, work, self.name)

    def _copy(self, run: Run, work: BackupWork, writer: ArchiveWriter, pace: CopyPace) -> None:
        settings.SPOOL_FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
        engine, instance = engine_named(work.job.engine), work.job.instance
        # An engine that reads no files of a host copies what the connection gives it.
        before = read_lsn(instance, FLUSHED) if engine.needs_host else None
        with pace, engine.copy(_request_of(work), pace) as stream:
            with run.ending_by(stream.stop):
                if stream.process is not None:
                    run.process_started(*stream.process)
                for record in pace.follow(stream.records()):
                    writer.write(record)
                work.copy_facts = stream.facts()
            run.check()
        # Without the connection of the pace: an account may have no more than that of the tool.
        if before is not None:
            refuse_another_source(work.copy_facts, before, read_lsn(instance, CURRENT))
        work.pace = pace.facts()
        run.problems += work.copy_facts.problems


def _open_writer(run: Run, work: BackupWork, pace: CopyPace) -> ArchiveWriter:
    return ArchiveWriter(
        work.all_stores(run),
        work.folder,
        backup=work.backup,
        cipher=work.cipher(),
        threads=settings.COPY_THREADS,
        level=settings.COMPRESSION_LEVEL,
        check=run.check,
        meter=run.meter,
        pace=pace.limiter,
        base=work.base_table,
        differences=work.differences,
    )


def _request_verify(work: BackupWork, base: Backup) -> str:
    """Have the full backup of the chain verified: one that is damaged is no base."""
    ancestor = base.ancestors.select_related("ancestor").order_by("position").first()
    full = ancestor.ancestor if ancestor else base
    copies = full.copies.filter(repository__in=work.repositories, status=CopyStatus.STORED)
    for copy in copies.select_related("backup__instance", "repository"):
        # A tick starts it: here nothing may fail for want of the broker.
        create_copy_job(Operation.VERIFY, copy, actor="differences", wake=False)
    return f"a verify of {full.label} was requested, which {work.label} needs"


def _summary(work: BackupWork, contents: Contents, meter: Meter) -> str:
    stored = (
        f"{len(contents.files)} files, {format_bytes(contents.raw_bytes)} "
        f"stored as {format_bytes(contents.stored_bytes)}"
    )
    if work.base is None:
        return stored
    differences = f"{format_bytes(meter.difference_bytes)} as differences, "
    return (
        f"{stored}, {differences if meter.difference_bytes else ''}"
        f"{format_bytes(meter.unchanged_bytes)} as in {work.base.label}"
    )


def _request_of(work: BackupWork) -> CopyRequest[EngineOptions]:
    chosen = tables_to_copy(work)
    return CopyRequest(
        login_of(work.job.instance),
        runner_of(work.job.instance),
        work.asked.options,
        threads=settings.COPY_THREADS,
        sealed=work.encrypted,
        spool_folder=settings.SPOOL_FOLDER,
        chosen=None if chosen is None else chosen.entries,
        hidden_others=() if chosen is None else chosen.hidden_others,
        data_folder=work.facts.datadir if work.facts else "",
    )
