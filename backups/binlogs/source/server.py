"""A replication source for one replica: on one socket, for as long as a replay runs."""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import struct
import threading

from backups.binlogs.events.gtid_lists import decode_set
from backups.binlogs.events.gtids import GtidPosition, GtidSet
from backups.binlogs.source import made_events
from backups.binlogs.source.known import Known, KnownPlace, KnownPosition, KnownSet
from backups.binlogs.source.login import NATIVE, SHA2, SourceAccount, admit
from backups.binlogs.source.reading import read_head
from backups.binlogs.source.sent import Sent
from backups.binlogs.source.served import Served, StreamPlace
from backups.binlogs.source.session import (
    DUMP,
    DUMP_GTID,
    QUIT,
    DumpRequest,
    ReplicaSession,
    read_dump,
)
from backups.binlogs.source.stream import Stream
from backups.binlogs.source.wire import LinkEnded, Wire, error_packet
from backups.exceptions import BinlogDamaged, MooringError

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 2.0
# What a replica treats as final, and does not try again.
_FATAL = 1236
_WELCOME_SECONDS = 60


class ReplaySource:
    """Serves whoever connects to ``listener`` with the account. Use as a context."""

    def __init__(self, listener: socket.socket, served: Served) -> None:
        self._listener, self.served = listener, served
        self.account = SourceAccount()
        # A replica leaves out what a server with its own id has made: this one makes nothing.
        self.server_id = 0x7F000000 + secrets.randbelow(0x00FFFFFF)
        self.sent = Sent(GtidPosition() if served.is_mariadb else GtidSet())
        # Why the stream could not go on; None while it can.
        self.failure: MooringError | None = None
        self.connections = 0
        # How many of them have requested the stream.
        self.dumps = 0
        self._over = threading.Event()
        self._links: set[socket.socket] = set()
        self._serving: list[threading.Thread] = []
        first = served.stretches[0]
        self._description = read_head(served.binlogs, first.file, first.stop).description
        self._thread = threading.Thread(target=self._accept, name="replay-source", daemon=True)

    def __enter__(self) -> ReplaySource:
        self._listener.settimeout(None)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        # It wakes whoever waits for the next connection.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.cut()
        for serving in self._serving:
            serving.join()

    @property
    def port(self) -> int:
        """Where the replica finds it, in the replica's network."""
        return int(self._listener.getsockname()[1])

    def cut(self) -> None:
        """Close every connection: the replica connects again, and goes on."""
        for link in tuple(self._links):
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._links.add(link)
            serving = threading.Thread(
                target=self._serve, args=(link,), name="replay-connection", daemon=True
            )
            self._serving.append(serving)
            serving.start()

    def _serve(self, link: socket.socket) -> None:
        try:
            link.settimeout(_WELCOME_SECONDS)
            if link.family == socket.AF_INET:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._talk(link)
        except LinkEnded as exc:
            logger.debug("replica gone: %s", exc, extra={"action": "replica_gone"})
        except struct.error:
            logger.warning("replica sent half a request", extra={"action": "replica_gone"})
        finally:
            self._links.discard(link)
            link.close()
            self.served.leave_thread()

    def _talk(self, link: socket.socket) -> None:
        wire = Wire(link)
        mariadb = self.served.is_mariadb
        version = self._description.server_version
        # Otherwise MariaDB's clients take it for an old MySQL.
        greeting = f"5.5.5-{version}" if mariadb else version
        plugin = NATIVE if mariadb else SHA2
        admit(wire, self.account, greeting_version=greeting, plugin=plugin)
        session = ReplicaSession(self.served, self.server_id, self._description.checksummed)
        while (request := wire.receive())[:1] != bytes([QUIT]):
            if request[:1] in {bytes([DUMP]), bytes([DUMP_GTID])}:
                # However long the replica takes to read.
                link.settimeout(None)
                self._dump(wire, session, read_dump(request))
                return
            session.answer(wire, request)

    def _dump(self, wire: Wire, session: ReplicaSession, asked: DumpRequest) -> None:
        self.dumps += 1
        try:
            stream, begin = self._stream(session, asked)
            for batch in stream.batches(begin):
                self.served.before_send(stream.file, stream.offset)
                wire.send_all(batch)
                if self._over.is_set():
                    return
        except MooringError as exc:
            self.failure = self.failure or exc
            wire.send(error_packet(_FATAL, str(exc)))
            return
        except LinkEnded:
            raise
        except Exception as exc:
            # Whoever waits for the replay would wait for ever.
            logger.exception("binlogs not served", extra={"action": "binlogs_not_served"})
            self.failure = self.failure or MooringError(f"binlogs could not be read: {exc}")
            return
        event = made_events.heartbeat(
            stream.file, stream.offset, self.server_id, checksummed=stream.checksummed
        )
        while not self._over.wait(HEARTBEAT_SECONDS):
            if event is not None:
                wire.send(b"\0" + event)

    def _stream(self, session: ReplicaSession, asked: DumpRequest) -> tuple[Stream, StreamPlace]:
        known: Known
        named = None
        begin = self.served.begin
        if asked.gtids is not None and asked.gtids:
            known = KnownSet(decode_set(asked.gtids))
        elif self.served.is_mariadb and session.connect_state is not None:
            named = GtidPosition.parse(session.connect_state)
            known = KnownPosition(named, GtidPosition.parse(self.served.start_gtids))
        else:
            known = KnownPlace()
            found = self.served.place_of(asked.file, asked.position, self.sent.reached)
            if found is None:
                raise BinlogDamaged(f"the replica asks for {asked.file}:{asked.position}, "
                                    "which is not served")  # fmt: skip
            begin = found
        return Stream(self.served, known, self.sent, self.server_id, named), begin
