"""Which prepared folders are kept of restores whose replay did not come to its end?

A row is made before the first transaction is sent, so that also a worker that was killed has left
one. It goes at the hand-over, or where somebody gives the folder up.
"""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

from backups.binlog_archive.recovery.goals import RecoveryGoal, goal_of
from backups.exceptions import BadInput
from backups.models import Job, KeptRestore
from backups.parameters import RestoreParameters

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Name the present run of this host's kernel."""
    return _BOOT_ID.read_text(encoding="ascii").strip()


def begin_keeping(job: Job, *, mark: int, target: Path, account: str) -> KeptRestore:
    """Make the row of a folder onto which a replay begins."""
    return KeptRestore.objects.create(
        job=job,
        mark=mark,
        target=str(target),
        account=account,
        host=socket.gethostname(),
        boot_id=boot_id(),
    )


def is_kept(mark: int) -> bool:
    """Whether the folder with this mark is, whichever job has it by now."""
    return KeptRestore.objects.filter(mark=mark).exists()


def stop_keeping(job: Job) -> None:
    """Forget the row of a folder that was handed over, or that nobody could go on with."""
    KeptRestore.objects.filter(job=job).delete()


def goal_to_continue(
    kept: KeptRestore, goal: RecoveryGoal | None, skipped: frozenset[str]
) -> RecoveryGoal:
    """Return where a kept folder is to end: at another place, or else where it was to.

    What was left out stays so: what follows it may be there already.
    """
    asked = goal_of(RestoreParameters.of(kept.job))
    if asked is None:
        raise BadInput(f"{kept.job} was not to replay anything")
    chosen = goal or asked
    return replace(chosen, skipped=chosen.skipped | skipped | frozenset(kept.skipped.split()))


def where_it_is(kept: KeptRestore) -> str:
    """Say how far a kept folder is."""
    if kept.next_file:
        moment = f" of {kept.next_commit_at:%Y-%m-%d %H:%M:%S} UTC" if kept.next_commit_at else ""
        name = f"{kept.next_gtid} at " if kept.next_gtid else ""
        place = f"{name}{kept.next_file}:{kept.next_position}{moment}"
        return f"{kept.transactions:,} transactions are applied, the next is {place}"
    if kept.last_commit_at:
        return (
            f"at least {kept.transactions:,} transactions are applied, up to "
            f"{kept.last_commit_at:%Y-%m-%d %H:%M:%S} UTC"
        )
    return "how many transactions are applied is seen when it is continued"
