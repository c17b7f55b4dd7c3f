"""How is the statement of a hook run? On a connection of its own, with a limit of time.

The server is given the limit where it knows one, and the connection is killed where that is not
enough: a client that only hangs up leaves the statement running. Rows are counted, not kept.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from pymysql.connections import Connection
from pymysql.constants.ER import UNKNOWN_SYSTEM_VARIABLE
from pymysql.cursors import SSCursor
from pymysql.err import Error

from backups.engines.base import Login
from backups.exceptions import InstanceUnreachable
from backups.hooks.definition import Hook, HookResult
from backups.instances.connection import connect
from backups.units import format_count

LOOK_SECONDS = 0.2
# The server ends it first, where it can: its error says more than a lost connection.
GRACE_SECONDS = 1
KILL_SECONDS = 5
# Of MariaDB, in seconds; of MySQL, in milliseconds and for SELECT only.
_LIMITS = ("SET SESSION max_statement_time = {seconds}", "SET SESSION max_execution_time = {ms}")


def run_statement(hook: Hook, login: Login, check: Callable[[], None]) -> HookResult:
    """Run a statement to its end or its limit; raise what ``check`` does, with it killed."""
    try:
        connection = connect(login, read_timeout=hook.seconds + 2 * KILL_SECONDS)
    except InstanceUnreachable as exc:
        return HookResult(f"could not be run: {exc}", began=False)
    began = time.monotonic()
    with contextlib.closing(connection), ThreadPoolExecutor(1) as thread:
        running = thread.submit(_execute, connection, hook)
        try:
            over = _await(running, hook.seconds + GRACE_SECONDS, check)
        except BaseException:
            _kill(connection, login, running)
            raise
        if over:
            _kill(connection, login, running)
    # A server may report success of what it has interrupted, such as SLEEP.
    if over or time.monotonic() - began >= hook.seconds:
        return HookResult(f"did not end within {hook.seconds} s and was stopped")
    return _result(running)


def _execute(connection: Connection[Any], hook: Hook) -> int:
    """Return how many rows it returned or changed."""
    with connection.cursor(SSCursor) as cursor:
        for limit in _LIMITS:
            try:
                cursor.execute(limit.format(seconds=hook.seconds, ms=hook.seconds * 1000))
            except Error as exc:
                if exc.args[0] != UNKNOWN_SYSTEM_VARIABLE:
                    raise
        cursor.execute(hook.sql)
        if cursor.description is None:
            return int(cursor.rowcount)
        return sum(1 for _ in cursor)


def _await(running: Future[int], seconds: float, check: Callable[[], None]) -> bool:
    """Wait for the end; return whether its time was over before."""
    until = time.monotonic() + seconds
    while not wait([running], LOOK_SECONDS).done:
        check()
        if time.monotonic() >= until:
            return True
    return False


def _kill(connection: Connection[Any], login: Login, running: Future[int]) -> None:
    """End it on the server, and hang up if that does not help."""
    with (
        contextlib.suppress(InstanceUnreachable, Error, OSError),
        contextlib.closing(connect(login, read_timeout=KILL_SECONDS)) as other,
        other.cursor() as cursor,
    ):
        # An account may kill its own connections.
        number = int(connection.thread_id())  # type: ignore[no-untyped-call]
        cursor.execute(f"KILL {number}")
    if not wait([running], KILL_SECONDS).done:
        # The library has no public way to end a read of another thread.
        with contextlib.suppress(OSError, AttributeError):
            connection._sock.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]


def _result(ended: Future[int]) -> HookResult:
    try:
        return HookResult(found=format_count(ended.result(), "row"))
    except Error as exc:
        number = f"error {exc.args[0]}: " if exc.args else ""
        return HookResult(f"{number}{exc.args[-1] if exc.args else type(exc).__name__}")
    except OSError as exc:
        return HookResult(f"the connection was lost: {exc}")
    except ValueError as exc:
        return HookResult(f"the answer of the server cannot be read: {exc}")
