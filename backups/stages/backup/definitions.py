"""Puts the definitions of the instance into the backup, beside what the engine copied."""

from __future__ import annotations

from functools import partial

from django.conf import settings
from django.utils.timezone import now

from backups.archive.writer import ArchiveWriter
from backups.definitions.document import PATH
from backups.definitions.fetch import DefinitionReader
from backups.instances.connection import login_of
from backups.instances.grants import unseen_definitions
from backups.models.job import LogLevel
from backups.running.run import Run
from backups.stages.backup.work import BackupWork
from backups.units import format_bytes, format_count

SOURCE = "definitions"


def add_definitions(run: Run, work: BackupWork, writer: ArchiveWriter) -> None:
    """Read them now that the copy is there; what cannot be read is missing, and logged."""
    if not settings.DEFINITIONS_SECONDS:
        return
    unseen = unseen_definitions(work.facts.grants) if work.facts else []
    reader = DefinitionReader(
        login_of(work.job.instance),
        seconds=settings.DEFINITIONS_SECONDS,
        check=partial(_look, run),
        unseen=unseen,
    )
    size = writer.add_file(PATH, reader.lines(now()))
    run.log(SOURCE, f"{format_count(reader.count, 'definition')} stored, {format_bytes(size)}")
    for reason in reader.missing:
        # What the account was not granted is as somebody decided it.
        run.log(SOURCE, reason, LogLevel.INFO if reason in unseen else LogLevel.WARNING)


def _look(run: Run) -> None:
    # Hundreds of thousands of small definitions take long and are few bytes.
    run.alive()
    run.check()
