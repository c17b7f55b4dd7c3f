"""The work object that the stages of an export pass to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

from backups.archive.reader import BackupReader
from backups.catalog.copies import copy_of
from backups.exceptions import StageFailed
from backups.models import BackupCopy, Job
from backups.parameters import ExportParameters
from backups.repositories.base import Identity
from backups.repositories.layout import FORMAT_VERSION


@dataclass(slots=True)
class ExportWork:
    """One export."""

    copy: BackupCopy
    target: Path
    # The file can be added as a repository, and is then one of its own.
    uuid: UUID = field(default_factory=uuid4)
    # The backup and all that it needs, the full backup first; empty until it is opened.
    chain: Sequence[BackupReader] = ()

    @property
    def identity(self) -> Identity:
        return Identity(str(self.uuid), FORMAT_VERSION)

    def opened(self) -> Sequence[BackupReader]:
        if not self.chain:
            raise StageFailed("no backup to export: it has not been opened")
        return self.chain


def export_work(job: Job, asked: ExportParameters) -> ExportWork:
    """Build the work object of an export."""
    return ExportWork(copy_of(job), asked.target)
