"""How far is the archive behind its source, and do the source's commits wait for it?

Asked on a connection of its own: the one that receives sends nothing but acknowledgements.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from django.utils.timezone import now
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.binlog_archive.receiving.receiver import Receiver
from backups.binlog_archive.receiving.source import (
    fetch_clock,
    fetch_files,
    fetch_semi_sync,
    lag_bytes,
)
from backups.binlogs.dump.spool import Received
from backups.binlogs.dump.start import SourceFile
from backups.engines.base import Login
from backups.exceptions import MooringError
from backups.instances.connection import connect, login_of
from backups.models.binlog import BinlogArchive
from backups.models.clock import shared

TIMEOUT_SECONDS = 10
# So often in a row may a source have more, and nothing arrive.
STUCK_PROBES = 3


class LagProbe:
    """Asks one source again and again. Used by one thread at a time."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._connection: Connection[DictCursor] | None = None
        self._login: Login | None = None
        self._acknowledge = False
        # How often in a row the source had more and nothing arrived.
        self._stuck, self._last = 0, Received()

    def ask(self) -> None:
        """Ask, and leave with the receiver what it means: it is written with all else.

        Only while it receives: it tries again by itself, slower each time, and a second client with
        a wrong password would have the account locked.
        """
        if not self._receiver.receiving:
            self._leave_unknown()
            return
        try:
            self._receiver.source = self._question()
        except MooringError:
            # Why it cannot be reached is noted by the receiver.
            self._leave_unknown()

    def forget(self) -> None:
        """Close the connection, and read from the rows again how to make another."""
        self._disconnect()
        self._login = None

    def _leave_unknown(self) -> None:
        self._disconnect()
        self._receiver.asked_at = None
        self._receiver.source = {"lag_bytes": None, "source_waits": None}

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None

    def _connected(self) -> Connection[DictCursor]:
        if self._login is None:
            archives = BinlogArchive.objects.select_related("instance")
            archive = archives.get(pk=self._receiver.archive)
            self._login, self._acknowledge = login_of(archive.instance), archive.acknowledge
        if self._connection is None:
            self._connection = connect(self._login, read_timeout=TIMEOUT_SECONDS)
        return self._connection

    def _question(self) -> dict[str, object]:
        receiver, connection = self._receiver, self._connected()
        before = receiver.durable
        # The earlier one: nothing later is known to be here, whichever clock is ahead.
        asked_at = min(shared(now()), fetch_clock(connection))
        files = fetch_files(connection)
        # Read again: what arrived meanwhile is no lag.
        durable = receiver.durable
        known = before.position if before.file == durable.file else 0
        lag = None
        if receiver.receiving:
            lag = lag_bytes(files, durable.file, durable.position, known=known)
        self._reconnect_if_stuck(files, before, lag)
        receiver.asked_at = asked_at
        return {
            "source_file": files[-1].name,
            "source_position": files[-1].size,
            "source_asked_at": asked_at,
            "lag_bytes": lag,
            "source_waits": self._waits(connection) if self._acknowledge else None,
        }

    def _waits(self, connection: Connection[DictCursor]) -> bool:
        """Whether the source's commits wait for this receiver."""
        receiver, semi_sync = self._receiver, fetch_semi_sync(connection)
        if semi_sync.enabled and not receiver.semi_sync and receiver.receiving:
            # It was enabled on the source after the receiver's connection had begun.
            receiver.reconnect()
        return semi_sync.waits and receiver.semi_sync and receiver.receiving

    def _reconnect_if_stuck(
        self, files: Sequence[SourceFile], before: Received, lag: int | None
    ) -> None:
        """End a connection on which nothing can come: a source goes on with deleted files.

        MariaDB does so after RESET MASTER: it sends heartbeats and nothing else.
        """
        if not self._receiver.receiving or not before.file:
            self._stuck = 0
            return
        moved = before != self._last or not lag
        self._stuck = 0 if moved else self._stuck + 1
        self._last = before
        if lag is None or self._stuck >= STUCK_PROBES:
            self._stuck = 0
            self._receiver.reconnect()
