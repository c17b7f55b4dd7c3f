"""How far is the archive behind its source, and do the source's commits wait for it?

Asked on a connection of its own: the one that receives sends nothing but acknowledgements.
"""

from __future__ import annotations

import contextlib

from django.utils.timezone import now
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.binlog_archive.receiver import Receiver
from backups.binlog_archive.source import fetch_files, fetch_semi_sync, lag_bytes
from backups.exceptions import MooringError
from backups.instances.connection import connect, login_of
from backups.models.binlog import BinlogArchive

TIMEOUT_SECONDS = 10


class LagProbe:
    """Asks one source again and again. Used by one thread at a time."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._connection: Connection[DictCursor] | None = None

    def ask(self) -> None:
        """Ask, and write what it means to the archive's row."""
        try:
            fields = self._fields()
        except MooringError:
            # Why it cannot be reached is noted by the receiver.
            self.forget()
            fields = {"lag_bytes": None, "source_waits": None}
        row = BinlogArchive.objects.filter(pk=self._receiver.archive, token=self._receiver.token)
        row.update(**fields)

    def forget(self) -> None:
        """Close the connection; the next question makes another."""
        if self._connection is not None:
            with contextlib.suppress(Exception):
                self._connection.close()
            self._connection = None

    def _fields(self) -> dict[str, object]:
        receiver = self._receiver
        archive = BinlogArchive.objects.select_related("instance").get(pk=receiver.archive)
        if self._connection is None:
            self._connection = connect(login_of(archive.instance), read_timeout=TIMEOUT_SECONDS)
        files = fetch_files(self._connection)
        # Read after the source was asked: what arrived meanwhile is no lag.
        durable = receiver.durable
        lag = lag_bytes(files, durable.file, durable.position) if receiver.receiving else None
        fields = {
            "source_file": files[-1].name,
            "source_position": files[-1].size,
            "source_asked_at": now(),
            "lag_bytes": lag,
            "source_waits": None,
        }
        if archive.acknowledge:
            semi_sync = fetch_semi_sync(self._connection)
            fields["source_waits"] = semi_sync.waits and receiver.semi_sync and receiver.receiving
            if semi_sync.enabled and not receiver.semi_sync and receiver.receiving:
                # It was enabled on the source after this connection had begun.
                receiver.reconnect()
        return fields
