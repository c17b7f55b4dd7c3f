"""The work objects that the stages of whatever makes a backup pass to each other."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.utils.timezone import now

from backups.access import stores_of
from backups.archive.blocks.differences import Differences
from backups.archive.blocks.reading import StoredTable
from backups.archive.cipher import AesGcm, Cipher, Unencrypted
from backups.archive.contents import Contents
from backups.archive.identity import CopyIdentity
from backups.archive.manifest import Envelope
from backups.engines.base import CopyFacts
from backups.engines.clone import CloneOptions
from backups.exceptions import BadInput
from backups.instances.facts import ServerFacts
from backups.models import Backup, Job, Occurrence, Repository
from backups.parameters import BackupParameters
from backups.preflight.checks import Preflight
from backups.programs.server_settings import ServerSettings
from backups.repositories.base import ObjectStore
from backups.repositories.layout import backup_folder, manifest_name
from backups.states import BackupKind

KIND_LETTERS = {
    BackupKind.FULL: "F",
    BackupKind.INCREMENTAL: "I",
    BackupKind.DIFFERENTIAL: "D",
    BackupKind.PARTIAL: "P",
    BackupKind.TTS: "T",
}


@dataclass(slots=True, kw_only=True)
class NewBackup:
    """One attempt at making a backup, from a server or from a chain.

    Its data key is created here and never used for another.
    """

    job: Job
    stores: list[tuple[Repository, ObjectStore]]
    encrypted: bool
    # Whether the folder was created by this attempt, which may then remove it.
    reserved: bool = False
    # As requested; full where there is nothing to go on from.
    kind: str = BackupKind.FULL
    base: Backup | None = None
    # The planned run whose schedule decides how long it is kept, where the job itself is of none.
    follows: Occurrence | None = None
    started_at: datetime = field(default_factory=now)
    # Seconds added to the one of the start that the label names, where that label was taken.
    label_shift: timedelta = timedelta(0)
    backup: UUID = field(default_factory=uuid.uuid4)
    data_key: bytes = field(default_factory=lambda: os.urandom(32), repr=False)
    contents: Contents | None = None
    envelope: Envelope | None = None
    about: dict[str, Any] = field(default_factory=dict)
    # Of the manifest, as it was read back.
    manifest_digest: str = ""

    @property
    def label(self) -> str:
        letter = KIND_LETTERS[BackupKind(self.kind)]
        moment = self.started_at + self.label_shift
        return f"{self.job.instance.name}@{moment:%Y%m%dT%H%M%SZ}-{letter}"

    @property
    def folder(self) -> str:
        return backup_folder(self.job.instance.uuid, self.label)

    @property
    def manifest(self) -> str:
        return manifest_name(self.folder)

    @property
    def identity(self) -> CopyIdentity:
        """What a manifest of this backup must be of."""
        return CopyIdentity(
            self.label,
            self.job.instance.uuid,
            backup=self.backup,
            encrypted=self.encrypted,
        )

    def cipher(self) -> Cipher:
        return AesGcm(self.data_key) if self.encrypted else Unencrypted()


@dataclass(slots=True, kw_only=True)
class BackupWork(NewBackup):
    """One attempt at a backup of a server."""

    asked: BackupParameters
    base_table: StoredTable | None = None
    differences: Differences | None = None
    facts: ServerFacts | None = None
    server_settings: ServerSettings = field(default_factory=ServerSettings)
    preflight: Preflight | None = None
    copy_facts: CopyFacts = field(default_factory=CopyFacts)

    @property
    def saves_foreign_tables(self) -> bool:
        """Whether tables a clone leaves out are saved: as requested, not as set now."""
        options = self.asked.options
        return isinstance(options, CloneOptions) and options.save_foreign_tables


def destinations(job: Job) -> list[Repository]:
    """Return the repositories of a job that makes a backup, or raise BadInput."""
    repositories = list(job.repositories.order_by("id"))
    if len({repository.encrypted for repository in repositories}) != 1:
        names = ", ".join(repository.name for repository in repositories) or "none"
        raise BadInput(
            f"the repositories of one backup must all be encrypted or all unencrypted: {names}",
            hint="Take two backups, or choose other repositories.",
        )
    return repositories


def backup_work(job: Job, asked: BackupParameters) -> BackupWork:
    """Build the work object of a backup job."""
    repositories = destinations(job)
    return BackupWork(
        job=job,
        asked=asked,
        stores=stores_of(repositories),
        encrypted=repositories[0].encrypted,
        kind=job.kind,
    )
