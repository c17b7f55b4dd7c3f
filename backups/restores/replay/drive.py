"""How is a replay run: connect the restored server to our source, watch it, and end it exactly?"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.binlogs.source.sent import NOTHING, Passed, Sent
from backups.binlogs.source.served import Served, StreamPlace
from backups.binlogs.source.server import ReplaySource
from backups.exceptions import EngineError, MooringError, Refused, StageFailed
from backups.programs.private_server import PrivateServer
from backups.programs.server_session import gone, is_lost
from backups.restores.replay.account import ReplayAccount
from backups.restores.replay.relay_logs import WrittenLogs
from backups.restores.replay.statements import ReplayTarget

_POLL_SECONDS = 0.25
_CONNECT_SECONDS = 120
_DISABLED_EVENTS = (
    "SELECT EVENT_SCHEMA, EVENT_NAME FROM information_schema.EVENTS "
    "WHERE STATUS IN ('SLAVESIDE_DISABLED', 'REPLICA_SIDE_DISABLED')"
)
LOG_HINT = "Read the job's log; restore to a moment before it, or leave it out with --skip-gtid."


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay has done."""

    passed: Passed
    # What the server has in the end: MySQL's set, MariaDB's position.
    gtids: str
    # Prepared and undecided where the replay ended.
    open_xa: tuple[str, ...] = ()
    # Events that it created or changed: a replica disables them.
    disabled_events: tuple[str, ...] = ()


class Sender(Protocol):
    """What gives a server the transactions: a source, or relay logs that lie in its folder."""

    @property
    def sent(self) -> Sent: ...

    @property
    def failure(self) -> MooringError | None:
        """Why it cannot go on; None while it can."""
        ...

    @property
    def dumps(self) -> int:
        """How often it was requested to send."""
        ...


@dataclass(slots=True)
class Replay:
    """One replay onto a running server."""

    server: PrivateServer
    served: Served
    target: ReplayTarget
    # Made when the server started.
    account: ReplayAccount
    # Called between any two looks, with what is applied.
    on_progress: Callable[[Passed], None] = field(default=lambda passed: None)
    # The GTIDs it has where an earlier replay was stopped; None: those that are in front of ours.
    has_gtids: str | None = None
    # Relay logs in the folder, to be read without a source.
    logs: WrittenLogs | None = None
    began: float = field(default=0.0, init=False)
    # While it runs, and when it has.
    source: ReplaySource | None = field(default=None, init=False)

    def run(self) -> Replayed:
        """Apply everything that is served, or raise."""
        account = self.account
        if self.server.listener is None and self.logs is None:
            raise StageFailed("the private server cannot reach a source: it has no listener")
        try:
            with self.server.connect(user=account.user, password=account.password) as connection:
                _run(connection, "SET SESSION wait_timeout = 2147483")
                if not self.served.stretches:
                    done = self._end(connection, NOTHING, set())
                elif self.logs is not None:
                    done = self._follow(
                        connection, self.logs, self.target.read_logs(self.logs.file)
                    )
                else:
                    assert self.server.listener is not None
                    with ReplaySource(self.server.listener, self.served) as self.source:
                        done = self._receive(connection, self.source)
                _run(connection, account.drop)
                return done
        except pymysql.Error as exc:
            if is_lost(exc):
                raise gone(self.server, "replaying") from None
            raise EngineError(f"the replay could not be run: {exc.args[-1]}") from exc

    def _receive(self, connection: Connection[Any], source: ReplaySource) -> Replayed:
        for statement in self.target.forget():
            _run(connection, statement)
        first = self.served.stretches[0]
        statements = self.target.follow(
            source.port,
            source.account,
            start_gtids=self._start_gtids,
            file=first.file,
            position=first.start,
        )
        return self._follow(connection, source, statements)

    def _follow(
        self, connection: Connection[Any], source: Sender, statements: Sequence[str]
    ) -> Replayed:
        self._check_start(connection)
        # What an earlier replay has disabled is named once more.
        disabled = _disabled_events(connection) if self.has_gtids is None else set()
        for statement in statements:
            _run(connection, statement)
        self.began = time.monotonic()
        while not self._finished(connection, source):
            time.sleep(_POLL_SECONDS)
        _run(connection, self.target.stop)
        return self._end(connection, source.sent.newest, disabled)

    @property
    def _start_gtids(self) -> str:
        return self.served.start_gtids if self.has_gtids is None else self.has_gtids

    def _end(self, connection: Connection[Any], passed: Passed, disabled: set[str]) -> Replayed:
        gtids = _value(connection, self.target.executed)
        for statement in self.target.forget():
            _run(connection, statement)
        events = tuple(sorted(_disabled_events(connection) - disabled))
        return Replayed(passed, gtids, _open_xa(connection), events)

    def _check_start(self, connection: Connection[Any]) -> None:
        """Refuse a MySQL that has other transactions than its backup: they would be left out."""
        if self.target.is_mariadb or not self.target.by_gtid:
            return
        has = "".join(_value(connection, self.target.executed).split())
        query = "SELECT GTID_SUBSET(%s, %s) AND GTID_SUBSET(%s, %s)"
        start = self._start_gtids
        if _value(connection, query, (has, start, start, has)) != "1":
            raise Refused(
                f"the restored server has the transactions {has or 'none'}, "
                f"its backup was taken after {start or 'none'}: nothing was replayed"
            )

    def _finished(self, connection: Connection[Any], source: Sender) -> bool:
        """Look once: report progress, raise for an error, return whether all is applied."""
        status = _status(connection, self.target.status)
        if source.failure is not None:
            raise source.failure
        if not source.sent.complete:
            applied = self._applied(status, source)
        elif self._has_all(connection, status, source):
            self.on_progress(source.sent.newest)
            return True
        else:
            applied = self._applied(status, source)
        self.on_progress(applied)
        self._raise_error(status, applied)
        if not source.dumps and time.monotonic() - self.began > _CONNECT_SECONDS:
            raise EngineError(
                f"the restored server did not connect to Mooring within {_CONNECT_SECONDS} s: "
                f"{status.get('Last_IO_Error') or 'it gives no reason'}",
                hint="Read the job's log.",
            )
        return False

    def _applied(self, status: Mapping[str, str], source: Sender) -> Passed:
        place = self._place(status, source)
        return source.sent.up_to(place) if place is not None else NOTHING

    def _place(self, status: Mapping[str, str], source: Sender) -> StreamPlace | None:
        file, position = status.get("Relay_Master_Log_File"), status.get("Exec_Master_Log_Pos")
        if not (file and position):
            return None
        return self.served.place_of(file, int(position), source.sent.reached)

    def _has_all(
        self, connection: Connection[Any], status: Mapping[str, str], source: Sender
    ) -> bool:
        wanted = source.sent.wanted or ""
        if not self.target.by_gtid:
            file = status.get("Relay_Master_Log_File", "")
            if file and all(each.file != file for each in self.served.stretches):
                # It has read the end of the last file, which names the next.
                return True
            place = self._place(status, source)
            return place is not None and place >= source.sent.last_end
        if self.target.is_mariadb:
            has = set(_value(connection, self.target.executed).split(","))
            return set(filter(None, wanted.split(","))) <= has
        query = "SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed)"
        return _value(connection, query, (wanted,)) == "1"

    def _raise_error(self, status: Mapping[str, str], applied: Passed) -> None:
        for part, doing in (("SQL", "applying"), ("IO", "reading")):
            text = status.get(f"Last_{part}_Error", "")
            running = status.get(f"Slave_{part}_Running", "")
            # An error of reading may pass: it connects again.
            if text and running == "No":
                self.server.log.relay()
                raise EngineError(
                    f"the replay stopped after {applied.transactions} transactions, "
                    f"{doing}: {text}",
                    hint=LOG_HINT,
                )


def _status(connection: Connection[Any], statement: str) -> dict[str, str]:
    """Return the replica's status, under the names that all releases of MariaDB have."""
    with connection.cursor(DictCursor) as cursor:
        cursor.execute(statement)
        row = cursor.fetchone() or {}
    return {
        name.replace("Replica_", "Slave_").replace("Source_", "Master_"): str(value or "")
        for name, value in row.items()
    }


def _open_xa(connection: Connection[Any]) -> tuple[str, ...]:
    with connection.cursor() as cursor:
        cursor.execute("XA RECOVER")
        # MariaDB gives bytes.
        names = [row[3] for row in cursor.fetchall()]
    return tuple(
        name.decode(errors="backslashreplace") if isinstance(name, bytes) else str(name)
        for name in names
    )


def _disabled_events(connection: Connection[Any]) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(_DISABLED_EVENTS)
        return {f"{schema}.{name}" for schema, name in cursor.fetchall()}


def _value(connection: Connection[Any], query: str, values: tuple[str, ...] = ()) -> str:
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        row = cursor.fetchone()
    return str(row[0] or "") if row and row[0] is not None else ""


def _run(connection: Connection[Any], statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
