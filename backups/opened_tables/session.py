"""Who keeps a table open that an admin looks at on a page, and when is it closed?

One thread of a worker process owns the private server: it renews the lease of the row, and closes
the table when it was not used for a while, was open for long, or somebody wants it closed. If the
process dies, the kernel ends the server, and a tick closes the row and removes the folder. Pages
ask the server through its socket; values of rows are written nowhere.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any

import pymysql
from django.db import Error, IntegrityError, connection, transaction
from django.utils.timezone import now
from pymysql.connections import Connection

from backups.activity import record
from backups.exceptions import EngineError, MooringError, Refused
from backups.jobs.wake import celery_app
from backups.logins.session import begin_session
from backups.models import BackupCopy, TableOpening
from backups.models.activity import Verb
from backups.models.clock import shared
from backups.opened_tables.open import OpenedTables, open_tables
from backups.opened_tables.rows import MOST_SECONDS, RowChoice, TableRows, fetch_rows_shown
from backups.opened_tables.timed_watch import TimedWatch
from backups.table_names.names import TableName

logger = logging.getLogger(__name__)

KEEP_OPEN = "backups.tasks.keep_table_open"
# Of the whole site: each takes memory, and a thread of the queue "outside".
MOST_OPEN = 2
LEASE = timedelta(seconds=60)
LOOK_SECONDS = 2.0
OPENING_SECONDS = 1800
UNUSED = timedelta(minutes=10)
LONGEST = timedelta(hours=1)
# How long an owner may take to notice that it is over, and to close the table.
CLOSING = timedelta(minutes=30)
UNCLAIMED = timedelta(minutes=2)
KEPT_ROWS = timedelta(days=1)
# Set when this process is to end.
ENDING = threading.Event()


def request_openings(
    copies: Sequence[BackupCopy], table: TableName, *, requested_by: str
) -> Sequence[TableOpening]:
    """Have a table of each copy opened, or return those that are open already.

    Refused if too many are open: then none of them is opened.
    """
    new: list[TableOpening] = []
    with transaction.atomic():
        # Two requests at once: one after the other.
        wanted = BackupCopy.objects.filter(pk__in=[copy.pk for copy in copies])
        list(wanted.order_by("pk").select_for_update())
        openings = [_opening_of(copy, table, requested_by, new) for copy in copies]
    for opening in new:
        _send(opening)
    return openings


def _opening_of(
    copy: BackupCopy, table: TableName, requested_by: str, new: list[TableOpening]
) -> TableOpening:
    same = TableOpening.objects.filter(
        copy=copy, schema=table.schema, name=table.name, requested_by=requested_by
    )
    if (open_now := same.filter(closed_at=None, close_requested=False).first()) is not None:
        return open_now
    opening = TableOpening(
        copy=copy, schema=table.schema, name=table.name, requested_by=requested_by
    )
    _take_place(opening)
    new.append(opening)
    record(Verb.VIEWED, copy.backup, details={"table": str(table)})
    return opening


def _take_place(opening: TableOpening) -> None:
    """Save an opening in a free place; the database gives each place to one of them."""
    for opening.place in range(1, MOST_OPEN + 1):
        try:
            with transaction.atomic():
                opening.save(force_insert=True)
        except IntegrityError:
            continue
        return
    raise Refused(
        f"{MOST_OPEN} tables of backups are open already",
        hint=f"Close one, or wait: unused ones close after {UNUSED.seconds // 60} minutes.",
    )


def _send(opening: TableOpening) -> None:
    from kombu.exceptions import OperationalError

    try:
        celery_app().send_task(
            KEEP_OPEN, (opening.pk,), queue="outside", expires=UNCLAIMED.total_seconds()
        )
    except OperationalError as exc:
        # The row is closed by the tick, as nobody takes it.
        logger.warning(
            "%s is not opened: the message broker is unreachable: %s",
            opening,
            exc,
            extra={"action": "opening_not_sent"},
        )


def keep_open(opening_id: int) -> None:
    """Open a table and keep it until it is to be closed. Safe to deliver twice."""
    opening = TableOpening.objects.select_related("copy__backup__instance", "copy__repository")
    row = opening.get(pk=opening_id)
    free = TableOpening.objects.filter(pk=row.pk, lease_expires_at=None, closed_at=None)
    if not free.update(lease_expires_at=shared(now()) + LEASE, host=socket.gethostname()):
        return
    # Of what nobody expects; the traceback is in the log.
    problem = "it failed for a reason that is in the log of the worker"
    try:
        with _Renewal(row) as renewal:
            _keep_open(row, renewal)
        problem = ""
    except _Over:
        problem = ""
    except MooringError as exc:
        problem = f"{exc}. {exc.hint}".rstrip(". ")
    except pymysql.Error as exc:
        problem = f"the private server failed: {exc}"
    finally:
        _close(row, problem)


def _keep_open(row: TableOpening, renewal: _Renewal) -> None:
    watch = TimedWatch(OPENING_SECONDS, renewal.look)
    table = TableName(row.schema, row.name)
    with open_tables(row.copy, [table], watch, read_only=True) as opened:
        _publish(row, opened)
        renewal.wait(opened)


class _Over(MooringError):
    """The table is to be closed."""


class _Renewal:
    """Renews the lease of one row, until the context is left.

    In a thread of its own: a manifest that is read, or a server that ends, calls nobody.
    """

    def __init__(self, row: TableOpening) -> None:
        self._row, self._left, self._over = row, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._renew, name="opening", daemon=True)

    def __enter__(self) -> _Renewal:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left.set()
        self._thread.join()

    def look(self) -> None:
        """_Over if the table is to be closed."""
        if ENDING.is_set():
            raise _Over("this process ends")
        if self._over.is_set():
            raise _Over("it is to be closed")

    def _renew(self) -> None:
        try:
            while not self._left.wait(LOOK_SECONDS):
                self._renew_once()
        finally:
            connection.close()

    def _renew_once(self) -> None:
        at = now()
        if at - self._row.requested_at > LONGEST + CLOSING:
            # Its owner hangs: on a disk that does not answer, say.
            return
        mine = TableOpening.objects.filter(pk=self._row.pk, closed_at=None)
        try:
            # Also while it closes: only the lease of a dead owner ends.
            renewed = mine.update(lease_expires_at=shared(at) + LEASE)
            unwanted = mine.filter(close_requested=True).exists()
        except Error as exc:
            # Whoever finds the lease expired closes the row, and the next look finds that.
            connection.close()
            logger.warning(
                "the lease of an open table is not renewed: %s",
                exc,
                extra={"action": "opening_not_renewed"},
            )
            return
        if unwanted or not renewed or at - self._row.requested_at > LONGEST:
            self._over.set()

    def wait(self, opened: OpenedTables) -> None:
        """Return when the table was not used for a while; _Over as above."""
        while not ENDING.wait(LOOK_SECONDS):
            self.look()
            if opened.server.pid is None:
                raise EngineError("the private server has ended by itself")
            self._row.refresh_from_db(fields=["used_at"])
            if self._row.used_at is None or now() - self._row.used_at > UNUSED:
                return


def _publish(row: TableOpening, opened: OpenedTables) -> None:
    at = now()
    open_now = TableOpening.objects.filter(pk=row.pk, closed_at=None)
    open_now.update(
        socket=str(opened.server.socket),
        opened_at=at,
        used_at=at,
        read_bytes=opened.read.read_bytes,
    )


def _close(row: TableOpening, problem: str) -> None:
    still = TableOpening.objects.filter(pk=row.pk, closed_at=None)
    if still.update(closed_at=now(), problem=problem):
        logger.info("%s closed", row, extra={"action": "table_closed"})


def close_lost(at: datetime) -> int:
    """Close the rows whose process has ended, or that none took; forget old ones."""
    still = TableOpening.objects.filter(closed_at=None)
    lost = still.filter(lease_expires_at__lt=shared(at)).update(
        closed_at=at, problem="the process that had it has ended"
    )
    unclaimed = still.filter(lease_expires_at=None, requested_at__lt=at - UNCLAIMED)
    lost += unclaimed.update(closed_at=at, problem="no worker took it; is control running?")
    TableOpening.objects.filter(closed_at__lt=at - KEPT_ROWS).delete()
    return lost


def look(row: TableOpening, choice: RowChoice) -> TableRows:
    """Read rows of an open table; Refused if it is not open, or not on this host."""
    with closing(connect(row)) as server:
        return fetch_rows_shown(server, TableName(row.schema, row.name), choice)


# Any: cursors of every kind.
def connect(row: TableOpening) -> Connection[Any]:
    """Return a connection to the server of an open table, which is used by that; as ``look``."""
    still = TableOpening.objects.filter(pk=row.pk, closed_at=None, close_requested=False)
    if not still.exclude(opened_at=None).update(used_at=now()):
        raise Refused(f"{row} is not open", hint="Open it again.")
    if row.host != socket.gethostname():
        raise Refused(
            f"{row} is open on {row.host}, and this page is served by another host",
            hint="Run browsebackup with --rows, or comparebackups with --rows, there.",
        )
    try:
        server = pymysql.connect(
            unix_socket=row.socket,
            user="root",
            charset="utf8mb4",
            autocommit=True,
            read_timeout=MOST_SECONDS * 2,
        )
    except pymysql.Error as exc:
        raise EngineError(f"{row} does not answer: {exc.args[-1]}", hint="Open it again.") from None
    begin_session(server)
    return server


def request_close_all(user: str) -> None:
    """Have all tables closed that somebody opened: they sign out."""
    TableOpening.objects.filter(requested_by=user, closed_at=None).update(close_requested=True)


def request_close(row: TableOpening) -> None:
    """Have the table closed: its owner notices within seconds."""
    TableOpening.objects.filter(pk=row.pk, closed_at=None).update(close_requested=True)
