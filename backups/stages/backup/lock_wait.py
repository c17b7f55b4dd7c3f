"""Who held the lock that a backup gave up waiting for?"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from backups.exceptions import InstanceUnreachable, LockNotGranted
from backups.instances.connection import connect, login_of
from backups.instances.lock_holders import LockHolder, describe_holders, fetch_lock_holders
from backups.stages.backup.work import BackupWork


def with_holders(error: LockNotGranted, work: BackupWork) -> LockNotGranted:
    """Return the error with the wait, the sessions that may hold the lock, and what to do."""
    seconds = work.asked.options.lock_wait
    holders: list[LockHolder] = []
    try:
        with closing(connect(login_of(work.job.instance))) as connection:
            holders = list(fetch_lock_holders(connection, least=timedelta(seconds=seconds)))
    except InstanceUnreachable:
        # The error itself is more important.
        pass
    described = describe_holders(holders)
    return LockNotGranted(
        f"{error} after {seconds} s{', ' if described else ''}{described}", hint=_hint(holders)
    )


def _hint(holders: list[LockHolder]) -> str:
    end = f"end that session (KILL {holders[0].id};)" if holders else "look for table locks"
    return (
        f"Let it finish, or {end}, and take the backup again; lock_wait_seconds of the instance "
        "or the schedule is the longest wait."
    )
