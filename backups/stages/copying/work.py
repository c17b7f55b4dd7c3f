"""The work object that the stages of a copy pass to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from backups.archive.reader import BackupReader
from backups.catalog.copies import copy_of
from backups.jobs.copying import target_of
from backups.models import BackupCopy, Job, Repository
from backups.parameters import CopyParameters


@dataclass(frozen=True, slots=True)
class MissingLink:
    """A backup that the target does not have: where it is read."""

    copy: BackupCopy
    reader: BackupReader

    @property
    def label(self) -> str:
        return self.copy.backup.label


@dataclass(slots=True)
class CopyingWork:
    """One attempt at a copy of a backup, with all that it needs."""

    # What is read: nobody deletes it meanwhile.
    copy: BackupCopy
    target: Repository
    # What is copied, the full backup first; empty until the first stage opened it.
    missing: Sequence[MissingLink] = field(default=())
    # The folder that is being written; blank while nothing of it can be left behind.
    unfinished: str = ""


def copying_work(job: Job, asked: CopyParameters) -> CopyingWork:
    return CopyingWork(copy_of(job), target_of(job))
