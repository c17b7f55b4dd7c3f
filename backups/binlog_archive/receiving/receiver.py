"""One instance's receiver: connected, receiving, waiting, or refused, and why?

A thread receives until it is stopped. It writes no row of its own but timelines and gaps: what
others see of it is read by ``leases`` and written under the lease's token.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connections
from django.utils.timezone import now
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.binlog_archive.receiving.plan import (
    NotAppliedYetError,
    ReceivePlan,
    Remembered,
    make_plan,
)
from backups.binlog_archive.receiving.source import SourceFacts, fetch_source, warnings_of
from backups.binlogs.dump.errors import StreamEnd, StreamEnded
from backups.binlogs.dump.receive import Reception
from backups.binlogs.dump.session import ReplicaIdentity, dump_command, session_statements
from backups.binlogs.dump.spool import Received, SpoolWriter
from backups.binlogs.dump.start import Break
from backups.binlogs.dump.stream import EventStream
from backups.exceptions import LeaseLost, MooringError, Refused
from backups.instances.connection import connect, login_of
from backups.models.binlog import BinlogArchive, ReceiverState

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
# So long without an event and a heartbeat, and the connection counts as lost.
SILENCE_SECONDS = 3 * HEARTBEAT_SECONDS
# Between attempts: longer each time, short again once something was received.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
# So long may a server that takes over lack what was received, before its history is another one.
APPLY_SECONDS = 30.0
_TURNS = threading.BoundedSemaphore(4)
_BROKEN = {StreamEnd.OTHER_HISTORY: Break.RESET, StreamEnd.BEHIND: Break.BEHIND}


@dataclass(frozen=True, slots=True)
class Standing:
    """What a receiver does, and since when."""

    state: ReceiverState = ReceiverState.CONNECTING
    reason: str = ""
    hint: str = ""
    since: datetime = field(default_factory=now)


class Receiver:
    """Receives the binary log of one instance. ``stop`` and ``reconnect`` are for any thread."""

    def __init__(self, archive: int, token: int, *, has_room: Callable[[], str]) -> None:
        """``has_room`` returns why nothing may be written now; blank if something may."""
        self.archive, self.token = archive, token
        self._has_room = has_room
        self._over = threading.Event()
        self._again = threading.Event()
        self._stream: EventStream | None = None
        self._reception: Reception | None = None
        self._writer: SpoolWriter | None = None
        self._remembered = Remembered()
        # Since when another server answers that lacks something; None: none does.
        self._lacking_since: float | None = None
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._standing = Standing()
        # Up to where everything is durable; blank until something is.
        self._durable = Received()
        self.warnings: list[str] = []
        # Columns of where the source was, when it was last asked.
        self.source: dict[str, object] = {}
        # When that was, if it answered.
        self.asked_at: datetime | None = None
        # Whether the present connection is one that the source's commits wait for.
        self.semi_sync = False
        self._thread = threading.Thread(target=self._run, name=f"receive-{archive}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the connection; what was received is durable when ``join`` returns."""
        self._over.set()
        self.reconnect()

    def join(self, seconds: float) -> bool:
        """Whether the thread has ended within so many seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def reconnect(self) -> None:
        """End the connection and, unless stopped, make another at once."""
        self._again.set()
        if (stream := self._stream) is not None:
            stream.sever()

    @property
    def standing(self) -> Standing:
        reception = self._reception
        standing = self._standing
        if reception is None or not reception.began or standing.state == ReceiverState.RECEIVING:
            return standing
        self._standing = Standing(ReceiverState.RECEIVING)
        return self._standing

    @property
    def receiving(self) -> bool:
        return self.standing.state == ReceiverState.RECEIVING

    @property
    def durable(self) -> Received:
        writer = self._writer
        return writer.durable if writer is not None else self._durable

    @property
    def silent_seconds(self) -> float | None:
        """Return for how long the source has sent nothing; None while not connected."""
        reception = self._reception
        return time.monotonic() - reception.contact if reception and reception.began else None

    def _run(self) -> None:
        while not self._over.is_set():
            self._again.clear()
            try:
                self._receive()
            except LeaseLost as exc:
                self._over.set()
                self._log(logging.WARNING, "receiver_lease_lost", str(exc))
            except MooringError as exc:
                self._note_end(exc)
            except OSError as exc:
                self._stand(ReceiverState.WAITING, f"the spool cannot be written: {exc.strerror}",
                            "Check the disk of MOORING_HOME.")  # fmt: skip
            except Exception as exc:
                logger.exception(
                    "receiver of archive %s failed", self.archive,
                    extra={"action": "receiver_failed", "archive": self.archive},
                )  # fmt: skip
                what = f"unexpected {type(exc).__name__}: the log has the details"
                self._stand(ReceiverState.WAITING, what, "")
            self._pause()

    def _receive(self) -> None:
        """Connect once and receive until the stream ends, which raises."""
        # In another timeline a file of the same name is another file.
        self._durable = Received()
        if full := self._has_room():
            raise MooringError(full, hint="Free space on the disk of MOORING_HOME.")
        with _database_turn():
            archive = BinlogArchive.objects.select_related("instance").get(pk=self.archive)
            if archive.token != self.token:
                raise LeaseLost("another process receives for this archive")
        with closing(connect(login_of(archive.instance))) as connection:
            facts = fetch_source(connection)
            self.warnings = warnings_of(facts, acknowledge=archive.acknowledge)
            with _database_turn():
                plan = self._plan(archive, facts, connection)
            self._log_plan(plan)
            self.semi_sync = archive.acknowledge and facts.semi_sync
            stream = EventStream(connection, semi_sync=self.semi_sync)
            self._follow(stream, archive, facts, plan)

    def _plan(
        self, archive: BinlogArchive, facts: SourceFacts, connection: Connection[DictCursor]
    ) -> ReceivePlan:
        since = self._lacking_since
        patient = since is None or time.monotonic() - since < APPLY_SECONDS
        remembered = replace(self._remembered, patient=patient)
        try:
            plan = make_plan(archive, self.token, facts, connection, remembered)
        except NotAppliedYetError:
            self._lacking_since = since if since is not None else time.monotonic()
            raise
        self._lacking_since = None
        return plan

    def _follow(
        self, stream: EventStream, archive: BinlogArchive, facts: SourceFacts, plan: ReceivePlan
    ) -> None:
        identity = ReplicaIdentity(archive.server_id, archive.replica_uuid)
        statements = session_statements(
            facts.flavour,
            identity,
            heartbeat_seconds=HEARTBEAT_SECONDS,
            acknowledge=self.semi_sync,
        )
        writer = SpoolWriter(plan.folder, plan.at.file, plan.at.position, plan.tail, plan.stored)
        self._remembered = Remembered()
        began, before = time.monotonic(), writer.durable
        try:
            command = dump_command(facts.flavour, identity, plan.at)
            stream.begin(statements, command, timeout_seconds=SILENCE_SECONDS)
            self._writer = writer
            self._reception = Reception(stream, writer, silence_seconds=SILENCE_SECONDS)
            self._stream = stream
            if self._again.is_set():
                return
            self._reception.run()
        except StreamEnded as exc:
            self._remember(exc, writer)
            raise
        finally:
            self._stream = None
            writer.close()
            self._durable = writer.durable
            if _went_well(before, self._durable, time.monotonic() - began):
                self._pause_seconds = FIRST_PAUSE_SECONDS
            self._writer = self._reception = None
            stream.close()

    def _remember(self, ended: StreamEnded, writer: SpoolWriter) -> None:
        """Keep what the next connection needs to know of this one."""
        if ended.end is StreamEnd.BEYOND:
            self._remembered = Remembered(whole=True)
        elif ended.end in _BROKEN:
            self._remembered = Remembered(broken=_BROKEN[ended.end], reason=str(ended))
        else:
            self._remembered = Remembered(tail=writer.tail())

    def _note_end(self, error: MooringError) -> None:
        end = error.end if isinstance(error, StreamEnded) else None
        if end is StreamEnd.STOPPED or self._again.is_set():
            self._stand(ReceiverState.CONNECTING, "", "")
            return
        if end in _BROKEN:
            # The next connection begins another timeline at once.
            self._again.set()
        refused = end is StreamEnd.REFUSED or isinstance(error, Refused)
        state = ReceiverState.REFUSED if refused else ReceiverState.WAITING
        self._stand(state, str(error), error.hint)

    def _stand(self, state: ReceiverState, reason: str, hint: str) -> None:
        before = self._standing
        if (before.state, before.reason) != (state, reason):
            was_receiving = before.state == ReceiverState.RECEIVING
            since = now() if was_receiving else before.since
            self._standing = Standing(state, reason, hint, since)
            if reason:
                self._log(logging.WARNING, "receiver_waits", reason)

    def _pause(self) -> None:
        if self._again.is_set() or self._over.is_set():
            return
        self._again.wait(self._pause_seconds)
        self._pause_seconds = min(self._pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    def _log_plan(self, plan: ReceivePlan) -> None:
        if plan.broken is not None:
            self._log(logging.WARNING, "timeline_begun", f"another timeline: {plan.reason}")
        where = f"receiving from {plan.at.file} {plan.at.position}"
        self._log(logging.INFO, "receiving", where)

    def _log(self, level: int, action: str, text: str) -> None:
        logger.log(
            level,
            "archive %s: %s",
            self.archive,
            text,
            extra={"action": action, "archive": self.archive},
        )


def _went_well(before: Received, after: Received, seconds: float) -> bool:
    """Whether a connection got anywhere: one that always breaks at the same event does not."""
    moved = (after.file, after.position) > (before.file, before.position)
    return moved or seconds > LONGEST_PAUSE_SECONDS


@contextmanager
def _database_turn() -> Iterator[None]:
    """Use the database, a few receivers at a time, and hold nothing of it afterwards.

    Hundreds of threads receive for months; what each keeps, and what all need at the same moment
    when they start, is memory for good.
    """
    with _TURNS:
        try:
            yield
        finally:
            connections[DEFAULT_DB_ALIAS].close()
            del connections[DEFAULT_DB_ALIAS]
