"""What would a restore read, how long would it take, and would it be refused?

Looks with the functions the stages use, and changes nothing: no folder, no mark, no row. It looks
from this host; the worker looks again before it writes its first byte.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

from backups.archive.reader import BackupReader
from backups.catalog.copies import open_copy
from backups.checks import Check, Verdict, failed
from backups.exceptions import BadInput, MooringError, Refused
from backups.jobs.request import LONGEST_TARGET
from backups.models import BackupCopy, Evidence, Job
from backups.restores.ancestors import check_ancestors
from backups.restores.target import (
    check_room,
    check_server,
    nearest_folder,
    refuse_target,
    room_needed,
)
from backups.states import ACTIVE_JOB_STATUSES, JobStatus, Operation

# As many past jobs as say something of today's disks.
JOBS_ASKED = 10


@dataclass(frozen=True, slots=True)
class RestoreWish:
    """What somebody wants restored, and how."""

    copy: BackupCopy
    target: Path
    raw: bool = False
    owner: str = ""
    # Path of the server program; blank leaves it to the setting.
    mysqld: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long it should take, and from what that was concluded. None is unknown."""

    length: timedelta | None
    basis: str


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """Everything there is to know before a restore begins."""

    wish: RestoreWish
    estimate: Estimate
    checks: list[Check] = field(default_factory=list)

    @property
    def refused(self) -> list[Check]:
        return failed(self.checks)

    @property
    def need_bytes(self) -> int | None:
        raw_bytes = self.wish.copy.backup.raw_bytes
        return None if raw_bytes is None else room_needed(raw_bytes)

    @property
    def command(self) -> str:
        return command_of(self.wish)


def plan_restore(wish: RestoreWish, default_mysqld: str = "") -> RestorePlan:
    """Look at everything the restore depends on."""
    readers: list[BackupReader] = []
    program = wish.mysqld or default_mysqld
    checks = [
        _check("copy, repository and key", lambda: _look_at_copy(wish.copy, readers)),
        _check("target", lambda: _look_at_target(wish.target)),
        _check("room at the target", lambda: _look_at_room(wish, readers)),
    ]
    if not wish.raw:
        server = partial(check_server, wish.copy, program, starts=False)
        checks.append(_check("server program", server))
    if wish.owner:
        checks.append(_check("owner", lambda: _look_at_owner(wish.owner)))
    return RestorePlan(wish, estimate_time(wish.copy), checks)


def command_of(wish: RestoreWish) -> str:
    """Write the same wish as a command to be copied."""
    words = ["./mooring", "manage", "restorebackup", wish.copy.backup.label]
    words += ["--repository", wish.copy.repository.name, "--to", str(wish.target)]
    words += ["--raw"] if wish.raw else []
    words += ["--owner", wish.owner] if wish.owner else []
    words += ["--mysqld", wish.mysqld] if wish.mysqld else []
    return shlex.join(words)


def estimate_time(copy: BackupCopy) -> Estimate:
    """Conclude from what was measured: this backup's own restore test before anything else."""
    backup = copy.backup
    tests = Evidence.objects.filter(
        operation=Operation.RESTORE_TEST, passed=True, recovery_time__isnull=False
    )
    own = tests.filter(copy__backup=backup).order_by("-id").first()
    if own is not None:
        return Estimate(own.recovery_time, "its own restore test took so long")
    past = tests.filter(copy__backup__instance=backup.instance, copy__backup__raw_bytes__gt=0)
    newest = past.select_related("copy__backup").order_by("-id").first()
    if newest is not None and newest.recovery_time and backup.raw_bytes is not None:
        share = backup.raw_bytes / (newest.copy.backup.raw_bytes or 1)
        basis = f"from the restore test of {newest.copy.backup.label}, by size"
        return Estimate(newest.recovery_time * share, basis)
    return _estimate_by_rate(copy)


def _estimate_by_rate(copy: BackupCopy) -> Estimate:
    """Conclude from the rate of past restores out of the same repository."""
    done = Job.objects.filter(
        # A restore test's time is that of checking every table too: its evidence has the rest.
        operation=Operation.RESTORE,
        status=JobStatus.SUCCEEDED,
        copy__repository=copy.repository,
        engine=copy.backup.engine,
        bytes_done__gt=0,
        started_at__isnull=False,
        ended_at__isnull=False,
    ).order_by("-id")[:JOBS_ASKED]
    taken = [(job.bytes_done, (job.ended_at - job.started_at).total_seconds())
             for job in done if job.ended_at and job.started_at]  # fmt: skip
    seconds = sum(each for _, each in taken)
    if copy.backup.raw_bytes is None or seconds <= 0:
        return Estimate(None, "nothing like it was ever restored here")
    rate = sum(size for size, _ in taken) / seconds
    basis = f"from {len(taken)} restore{'s' if len(taken) > 1 else ''} out of {copy.repository}"
    return Estimate(timedelta(seconds=copy.backup.raw_bytes / rate), basis)


def _check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, Verdict.OK, look())
    except MooringError as exc:
        return Check(name, Verdict.FAILED, str(exc), exc.hint)
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename else ""
        return Check(name, Verdict.FAILED, f"{where}{exc.strerror}")


def _look_at_copy(copy: BackupCopy, readers: list[BackupReader]) -> str:
    readers.append(open_copy(copy))
    key = f"opened with key {copy.key_id}" if copy.key_id else "not encrypted"
    return f"{copy.repository} is there, its manifest was read, {key}"


def _look_at_target(target: Path) -> str:
    if len(str(target)) > LONGEST_TARGET:
        raise BadInput(f"it is longer than {LONGEST_TARGET} characters")
    refuse_target(target)
    check_ancestors(target)
    restoring = Job.objects.filter(
        operation=Operation.RESTORE,
        status__in=ACTIVE_JOB_STATUSES,
        parameters__target=str(target),
    ).first()
    if restoring is not None:
        raise Refused(f"job {restoring.pk} is restoring to {target} already")
    parent = nearest_folder(target)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise Refused(f"{parent} cannot be written by {pwd.getpwuid(os.geteuid()).pw_name}")
    return f"{target} is empty" if target.is_dir() else f"{target} will be made"


def _look_at_room(wish: RestoreWish, readers: list[BackupReader]) -> str:
    for reader in readers:
        return check_room(wish.target, reader.manifest.contents.raw_bytes)
    # The manifest could not be read: what the catalog says is as good.
    return check_room(wish.target, wish.copy.backup.raw_bytes or 0)


def _look_at_owner(owner: str) -> str:
    user, _, group = owner.partition(":")
    try:
        pwd.getpwnam(user)
        grp.getgrnam(group or user)
    except KeyError as exc:
        raise BadInput(f"{exc.args[0]} on this host") from None
    return f"files will belong to {owner}"
