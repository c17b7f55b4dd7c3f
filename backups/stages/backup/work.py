"""The work objects that the stages of whatever makes a backup pass to each other."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
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
from backups.exceptions import (
    ArchiveError,
    BadInput,
    MooringError,
    Refused,
    RepositoryError,
    StageFailed,
)
from backups.instances.facts import ServerFacts
from backups.models import Backup, Job, Occurrence, Repository
from backups.models.job import LogLevel
from backups.models.wanted_copy import WantCause
from backups.pacing.facts import PaceFacts
from backups.parameters import BackupParameters
from backups.preflight.checks import Preflight
from backups.programs.server_settings import ServerSettings
from backups.repositories.base import ObjectStore
from backups.repositories.layout import backup_folder, manifest_name
from backups.repositories.several import SeveralStores
from backups.running.run import Run
from backups.states import BackupKind
from backups.table_names.choice import TableChoice

KIND_LETTERS = {
    BackupKind.FULL: "F",
    BackupKind.INCREMENTAL: "I",
    BackupKind.DIFFERENTIAL: "D",
    BackupKind.PARTIAL: "P",
    BackupKind.TTS: "T",
}


@dataclass(frozen=True, slots=True)
class LeftRepository:
    """A repository that the backup was to go to, and goes on without."""

    repository: Repository
    cause: WantCause
    error: str
    hint: str
    # Whether bytes of the backup may be there.
    has_parts: bool

    @property
    def in_words(self) -> str:
        how = "failed" if self.cause == WantCause.FAILED else "is missing"
        return f"copy in {self.repository} {how}: {self.error}"


@dataclass(slots=True, kw_only=True)
class NewBackup:
    """One attempt at making a backup, from a server or from a chain.

    Its data key is created here and never used for another.
    """

    job: Job
    # Those that it still goes to.
    stores: list[tuple[Repository, ObjectStore]]
    encrypted: bool
    left: list[LeftRepository] = field(default_factory=list)
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

    @property
    def repositories(self) -> list[Repository]:
        return [repository for repository, _ in self.stores]

    @property
    def with_parts(self) -> list[Repository]:
        """Those it goes on without that may have bytes of it."""
        return [left.repository for left in self.left if left.has_parts]

    @property
    def problems(self) -> str:
        """What went wrong although it goes on, a line for each."""
        return "\n".join(left.in_words for left in self.left)

    def leave(
        self,
        run: Run,
        repository: Repository,
        error: MooringError,
        cause: WantCause = WantCause.FAILED,
    ) -> None:
        """Go on without a repository; raise the error where no other is left."""
        others = [pair for pair in self.stores if pair[0] != repository]
        left = LeftRepository(repository, cause, str(error), error.hint, self.reserved)
        if not others:
            raise self._all_failed(error, left)
        self.stores = others
        self.left.append(left)
        run.log(run.stage, left.in_words, LogLevel.ERROR)

    def _all_failed(self, error: MooringError, last: LeftRepository) -> MooringError:
        failed = [left for left in self.left if left.cause == WantCause.FAILED]
        if not failed:
            return error
        words = "; ".join(left.in_words for left in [*failed, last])
        kind = Refused if isinstance(error, Refused) else StageFailed
        return kind(f"no repository is left: {words}", hint=error.hint)

    @contextmanager
    def or_leave(self, run: Run, repository: Repository) -> Iterator[None]:
        """Inside, an error of one repository is no reason to end."""
        try:
            yield
        except (ArchiveError, Refused, RepositoryError, StageFailed) as exc:
            # A request to stop comes first: it may be why it failed.
            run.check()
            self.leave(run, repository, exc)

    def all_stores(self, run: Run) -> SeveralStores:
        """Return what packs are written into; a store that fails is left."""

        def leave(store: ObjectStore, error: RepositoryError) -> None:
            self.leave(run, next(row for row, each in self.stores if each is store), error)

        return SeveralStores([store for _, store in self.stores], leave)

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
    # What the copy cost the instance; None: it was not taken yet.
    pace: PaceFacts | None = None

    @property
    def choice(self) -> TableChoice | None:
        """The tables that are in; None: all of the instance."""
        return self.asked.options.choice

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
