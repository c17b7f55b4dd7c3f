"""How do restored tables get their names, all in one statement, without holding up others?

The statement waits for whoever uses a table of that name, and everybody else queues behind it. So
it waits a few seconds only, lets the queue pass, and tries again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import timedelta

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.exceptions import InstanceUnreachable, StageFailed
from backups.instances.lock_holders import LockHolder, describe_holders, fetch_lock_holders
from backups.programs.server_session import is_lost
from backups.table_restores.target import NewTable, run

WAIT_SECONDS = 5
PAUSE_SECONDS = 1.0
TRIES = 12
LOCK_NOT_GRANTED = 1205


def give_names(
    connection: Connection[DictCursor], tables: Collection[NewTable], check: Callable[[], None]
) -> None:
    """Give all tables their names, or raise StageFailed."""
    try:
        run(connection, "SET SESSION foreign_key_checks = 0")
        run(connection, f"SET SESSION lock_wait_timeout = {WAIT_SECONDS}")
        for _ in range(TRIES):
            check()
            if _try(connection, tables):
                return
            time.sleep(PAUSE_SECONDS)
        raise _locked(connection)
    except pymysql.Error as exc:
        raise _not_named(exc, tables) from None


def rename_statement(tables: Collection[NewTable]) -> str:
    """Return the one statement that gives all tables their names, and keeps the present ones."""
    steps = []
    for new in tables:
        if new.kept_as is not None:
            steps.append(f"{new.name.quoted} TO {new.kept_as.quoted}")
        steps.append(f"{new.temporary.quoted} TO {new.name.quoted}")
    return f"RENAME TABLE {', '.join(steps)}"


def _try(connection: Connection[DictCursor], tables: Collection[NewTable]) -> bool:
    """Return False where a lock was not granted in time."""
    try:
        run(connection, rename_statement(tables))
    except pymysql.Error as exc:
        if exc.args[:1] == (LOCK_NOT_GRANTED,):
            return False
        raise
    return True


def _locked(connection: Connection[DictCursor]) -> StageFailed:
    holders: list[LockHolder] = []
    try:
        least = timedelta(seconds=WAIT_SECONDS)
        holders = list(fetch_lock_holders(connection, least=least))
    except InstanceUnreachable:
        # The error itself is more important.
        pass
    described = describe_holders(holders)
    end = f"end that session (KILL {holders[0].id};)" if holders else "find out who holds it"
    return StageFailed(
        "the restored tables could not get their names: a lock on a table was not granted in "
        f"{TRIES} attempts of {WAIT_SECONDS} s{', ' if described else ''}{described}",
        hint=f"Nothing was changed. Let it finish, or {end}, and restore the tables again.",
    )


def _not_named(exc: pymysql.Error, tables: Collection[NewTable]) -> StageFailed:
    """Return the error of a renaming: the server refused it, or its answer never came."""
    if not is_lost(exc):
        return StageFailed(
            f"the restored tables could not get their names: {exc.args[-1]}",
            hint="Nothing was changed. Remove the cause, and restore the tables again.",
        )
    names = ", ".join(f"{new.kept_as or new.temporary}" for new in tables)
    return StageFailed(
        "the connection was lost while the restored tables got their names: whether they have them "
        "is unknown",
        hint=f"Look in the instance for {names}: a table of that name that is kept was replaced, "
        "one with a temporary name was not restored and is removed.",
    )
