"""The work object that the stages of a restore, restore test or rehearsal pass to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.conf import settings

from backups.archive.reader import BackupReader
from backups.binlog_archive.recovery.from_backup import Recovery
from backups.binlog_archive.recovery.goals import RecoveryGoal, goal_of
from backups.catalog.copies import copy_of
from backups.engines.base import NO_KEYS, HostKeys, Prepared
from backups.exceptions import BadInput
from backups.models import BackupCopy, Job, KeptRestore
from backups.parameters import RehearsalParameters, RestoreParameters, RestoreTestParameters
from backups.programs.private_server import PrivateServer
from backups.restores.host_keys import host_keys
from backups.restores.own_checks import CheckedStatement
from backups.restores.replay.drive import Replayed
from backups.restores.upgrade_program import UpgradeProgram


@dataclass(slots=True)
class RestoreWork:
    """One restore. The folder it writes was empty when it began."""

    copy: BackupCopy
    target: Path
    raw: bool = False
    # Whether the files are handed over without a server having been started on them.
    no_start: bool = False
    # "user:group" that gets the files; blank leaves them to the worker's user.
    owner: str = ""
    # Path of the server program; blank lets the engine choose.
    server_program: str = ""
    keys: HostKeys = NO_KEYS
    # Whose the files are while programs work on them; None: ours.
    run_user: tuple[int, int] | None = None
    # The backup and all that it needs, the full one first; empty until it is opened.
    chain: Sequence[BackupReader] = ()
    prepared: Prepared = field(default_factory=Prepared)
    started_once: bool = False
    # What the start of the server did to the files; blank: nothing worth a remark.
    remark: str = ""
    # Up to where archived binlogs are replayed; None: the backup as it is.
    goal: RecoveryGoal | None = None
    recovery: Recovery | None = None
    replayed: Replayed | None = None
    # How the binlogs get to the server; blank: from us, as its source.
    replay_by: str = ""
    # The number in the folder's mark: of this job, or of the one that made the folder.
    mark: int = 0
    # The job whose kept folder it goes on with; None: it makes one of its own.
    continues: int | None = None
    # The row of the folder, once a replay has begun on it.
    kept: KeptRestore | None = None
    # For restore tests only: what was asked of one.
    test: RestoreTestParameters | None = None
    began_at: datetime | None = None
    answered_at: datetime | None = None
    server: PrivateServer | None = None
    tables: list[dict[str, object]] | None = None
    # For rehearsals only: what was asked of one, the server to upgrade to, and own checks on it.
    rehearsal: RehearsalParameters | None = None
    upgrade: UpgradeProgram | None = None
    own_checks: list[CheckedStatement] = field(default_factory=list)

    def opened(self) -> BackupReader:
        """Return the reader of the backup itself; the first stage opened it."""
        if not self.chain:
            raise BadInput("the backup has not been opened")
        return self.chain[-1]


def restore_work(job: Job, asked: RestoreParameters) -> RestoreWork:
    """Build the work object of a restore job."""
    return RestoreWork(
        copy_of(job),
        asked.target,
        raw=asked.raw,
        no_start=asked.no_start,
        owner=asked.owner,
        server_program=asked.mysqld or settings.MYSQLD,
        keys=host_keys(),
        goal=goal_of(asked),
        mark=asked.mark or job.pk,
        continues=asked.continues,
        replay_by=asked.replay_by or "",
    )


def restore_test_work(job: Job, asked: RestoreTestParameters) -> RestoreWork:
    """Build the work object of a restore test, whose target is a scratch folder."""
    return RestoreWork(
        copy_of(job),
        scratch_folder(job),
        server_program=asked.mysqld or settings.MYSQLD,
        keys=host_keys(),
        goal=RecoveryGoal(datetime.fromisoformat(asked.until)) if asked.until else None,
        mark=job.pk,
        test=asked,
    )


def rehearsal_work(job: Job, asked: RehearsalParameters) -> RestoreWork:
    """Build the work object of a rehearsal; its own series is prepared and started as usual."""
    return RestoreWork(
        copy_of(job),
        scratch_folder(job),
        server_program=settings.MYSQLD,
        keys=host_keys(),
        mark=job.pk,
        rehearsal=asked,
    )


def scratch_folder(job: Job) -> Path:
    """Return the scratch folder of a restore test or a rehearsal."""
    return Path(settings.SCRATCH_FOLDER) / f"{job.operation.replace('_', '-')}-{job.pk}"
