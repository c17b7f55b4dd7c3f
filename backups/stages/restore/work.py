"""The work object that the stages of a restore or restore test pass to each other."""

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
from backups.models import BackupCopy, Job
from backups.parameters import RestoreParameters, RestoreTestParameters
from backups.programs.private_server import PrivateServer
from backups.restores.host_keys import host_keys
from backups.restores.replay.drive import Replayed


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
    # For restore tests only: what was asked of one.
    test: RestoreTestParameters | None = None
    began_at: datetime | None = None
    answered_at: datetime | None = None
    server: PrivateServer | None = None
    tables: list[dict[str, object]] | None = None

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
    )


def restore_test_work(job: Job, asked: RestoreTestParameters) -> RestoreWork:
    """Build the work object of a restore test, whose target is a scratch folder."""
    return RestoreWork(
        copy_of(job),
        scratch_folder(job),
        server_program=asked.mysqld or settings.MYSQLD,
        keys=host_keys(),
        goal=RecoveryGoal(datetime.fromisoformat(asked.until)) if asked.until else None,
        test=asked,
    )


def scratch_folder(job: Job) -> Path:
    """Return the scratch folder of a restore test."""
    return Path(settings.SCRATCH_FOLDER) / f"restore-test-{job.pk}"
