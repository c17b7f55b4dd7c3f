"""What would a restore read, how long would it take, and would it be refused?

Runs the checks of the stages on this host and changes nothing: no folder, no mark, no row. The
worker runs them again before it writes its first byte.
"""

from __future__ import annotations

import grp
import os
import pwd
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from backups.archive.reader import BackupReader
from backups.archive.whole_reads import read_in_full
from backups.binlog_archive.recovery.from_backup import Recovery
from backups.binlog_archive.recovery.goals import RecoveryGoal
from backups.binlog_archive.recovery.starts import recovery_of
from backups.catalog.copies import open_chain
from backups.catalog.preferred import reason_to_read
from backups.checks import Check, Verdict, failed
from backups.exceptions import BadInput, MooringError, Refused
from backups.jobs.request import LONGEST_TARGET, refuse_way
from backups.models import BackupCopy, Deletion, Job
from backups.programs.ancestors import check_ancestors
from backups.restores.estimates import Estimate, estimate_recovery, estimate_time
from backups.restores.marked import check_deletion, marks_of
from backups.restores.target import (
    check_room,
    check_server,
    nearest_folder,
    refuse_target,
    restored_size,
    room_needed,
    room_of,
)
from backups.states import ACTIVE_JOB_STATUSES, Operation
from backups.table_names.choice import choice_in_words
from backups.units import format_count

PARTIAL_ONLY = "it is a partial backup, and has only"


@dataclass(frozen=True, slots=True)
class PlannedRestore:
    """What to restore, and how."""

    copy: BackupCopy
    target: Path
    raw: bool = False
    no_start: bool = False
    owner: str = ""
    # Path of the server program; blank leaves it to the setting.
    mysqld: str = ""
    # Up to where archived binlogs are replayed; None: the backup as it is.
    goal: RecoveryGoal | None = None
    # Blank: Mooring is the source.
    replay_by: str = ""


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """The checks and the estimate of a restore before it starts."""

    restore: PlannedRestore
    estimate: Estimate
    checks: list[Check] = field(default_factory=list)
    # What is replayed; None: nothing, or it is not known before the backup is prepared.
    recovery: Recovery | None = None
    # Why this copy of the backup is read.
    source_reason: str = ""
    # The deletion that the copy is marked for; None: it is not.
    mark: Deletion | None = None

    @property
    def refused(self) -> list[Check]:
        return failed(self.checks)

    @property
    def need_bytes(self) -> int | None:
        raw_bytes = restored_size(self.restore.copy.backup)
        replayed = self.recovery.room(self.restore.replay_by) if self.recovery else 0
        return None if raw_bytes is None else room_needed(raw_bytes + replayed)

    @property
    def command(self) -> str:
        return command_of(self.restore)


def plan_restore(restore: PlannedRestore, default_mysqld: str = "") -> RestorePlan:
    """Check everything the restore depends on."""
    readers: list[BackupReader] = []
    recoveries: list[Recovery] = []
    program = restore.mysqld or default_mysqld
    checks = [_run_check("copy, repository and key", lambda: _check_copy(restore.copy, readers))]
    if chosen := choice_in_words(restore.copy.backup.choice):
        checks.append(Check("tables", Verdict.WARNING, f"{PARTIAL_ONLY} {chosen}"))
    mark = marks_of([restore.copy]).get(restore.copy.pk)
    checks += check_deletion(restore.copy, mark)
    if restore.goal is not None:
        find = partial(_check_transactions, restore, restore.goal, recoveries)
        checks.append(_run_check("transactions to replay", find))
    recovery = recoveries[0] if recoveries else None
    checks += [
        _run_check("target", lambda: _check_target(restore.target)),
        _run_check("room at the target", lambda: _check_room(restore, readers, recovery)),
    ]
    if not restore.raw:
        server = partial(check_server, restore.copy, program, starts=not restore.no_start)
        checks.append(_run_check("server program", server))
    if restore.owner:
        checks.append(_run_check("owner", lambda: _check_owner(restore.owner)))
    estimate = (
        estimate_recovery(restore.copy, recovery)
        if recovery is not None
        else estimate_time(restore.copy)
    )
    why = reason_to_read(restore.copy)
    return RestorePlan(restore, estimate, checks, recovery, why, mark)


def command_of(restore: PlannedRestore) -> str:
    """Return the same restore as a command to be copied."""
    words = ["./mooring", "manage", "restorebackup", restore.copy.backup.label]
    words += ["--repository", restore.copy.repository.name, "--to", str(restore.target)]
    words += ["--raw"] if restore.raw else []
    words += ["--no-start"] if restore.no_start else []
    words += ["--owner", restore.owner] if restore.owner else []
    words += ["--mysqld", restore.mysqld] if restore.mysqld else []
    words += ["--replay-by", restore.replay_by] if restore.replay_by else []
    return shlex.join([*words, *(restore.goal.words() if restore.goal else ())])


def _check_transactions(
    restore: PlannedRestore, goal: RecoveryGoal, recoveries: list[Recovery]
) -> str:
    refuse_way(restore.copy.backup, restore.replay_by, replays=True)
    found = recovery_of(restore.copy.backup, goal)
    if found is None:
        return f"{goal}: checked once the backup is prepared, its position is not known before"
    recoveries.append(found)
    return str(found)


def _run_check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, Verdict.OK, look())
    except MooringError as exc:
        return Check(name, Verdict.FAILED, str(exc), exc.hint)
    except OSError as exc:
        where = f"{exc.filename}: " if exc.filename else ""
        return Check(name, Verdict.FAILED, f"{where}{exc.strerror}")


def _check_copy(copy: BackupCopy, readers: list[BackupReader]) -> str:
    readers += open_chain(copy)
    key = f"opened with key {copy.key_id}" if copy.key_id else "not encrypted"
    others = (
        f", with {format_count(len(readers) - 1, 'backup')} that it needs"
        if len(readers) > 1
        else ""
    )
    there = f"{copy.repository} is there, its manifest was read{others}, {key}"
    whole = read_in_full(readers)
    return f"{there}; {whole}" if whole else there


def _check_target(target: Path) -> str:
    if len(str(target)) > LONGEST_TARGET:
        raise BadInput(f"target is longer than {LONGEST_TARGET} characters")
    refuse_target(target)
    check_ancestors(target)
    restoring = Job.objects.filter(
        operation=Operation.RESTORE,
        status__in=ACTIVE_JOB_STATUSES,
        parameters__target=str(target),
    ).first()
    if restoring is not None:
        raise Refused(f"job {restoring.pk} is already restoring to {target}")
    parent = nearest_folder(target)
    if not os.access(parent, os.W_OK | os.X_OK):
        raise Refused(f"{parent} is not writable by {pwd.getpwuid(os.geteuid()).pw_name}")
    return f"{target} is empty" if target.is_dir() else f"{target} will be created"


def _check_room(
    restore: PlannedRestore, readers: list[BackupReader], recovery: Recovery | None
) -> str:
    replayed = recovery.room(restore.replay_by) if recovery is not None else 0
    # Where the manifest could not be read: by the catalog.
    size = room_of(readers[-1]) if readers else restored_size(restore.copy.backup) or 0
    return check_room(restore.target, size + replayed)


def _check_owner(owner: str) -> str:
    user, _, group = owner.partition(":")
    try:
        pwd.getpwnam(user)
        grp.getgrnam(group or user)
    except KeyError as exc:
        raise BadInput(f"{exc.args[0]} on this host") from None
    return f"files will belong to {owner}"
