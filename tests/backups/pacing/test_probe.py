"""An instance that is made up: its answers are few, and as slow as a test wants them to be."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Self, cast

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.pacing.probe import Probe

WRITTEN = "SHOW GLOBAL STATUS LIKE 'Innodb_lsn_current'"
STATUS = {"Questions": 1000, "Innodb_lsn_current": 5000, "Innodb_lsn_last_checkpoint": 4000}
VARIABLES = {"version": "10.11.19-MariaDB", "innodb_log_file_size": 100 << 20}


def rows_of(named: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"Variable_name": name, "Value": value} for name, value in named.items()]


class Instance:
    """A connection to it, and the cursor as well."""

    def __init__(self, *, look_s: float = 0.0, refuses: bool = False) -> None:
        self.queries: list[str] = []
        self.closed = threading.Event()
        self._look_s, self._refuses = look_s, refuses
        self._answer: list[dict[str, Any]] = []

    def cursor(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def execute(self, query: str) -> None:
        self.queries.append(query)
        if self._refuses:
            raise pymysql.err.OperationalError(1227, "access denied")
        if "PROCESSLIST" in query:
            threading.Event().wait(self._look_s)
        self._answer = []
        if "VARIABLES" in query:
            self._answer = rows_of(VARIABLES)
        elif "STATUS WHERE" in query:
            self._answer = rows_of(STATUS)
        elif query == WRITTEN:
            self._answer = rows_of({"Innodb_lsn_current": 5000})

    def fetchall(self) -> list[dict[str, Any]]:
        return self._answer

    def close(self) -> None:
        self.closed.set()

    def connect(self) -> Connection[DictCursor]:
        return cast("Connection[DictCursor]", self)


def wait_for(known: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not known():
        assert time.monotonic() < until, "it never came"
        threading.Event().wait(0.01)


def test_the_redo_log_is_looked_at_often_however_long_other_answers_take() -> None:
    instance = Instance(look_s=0.15)
    probe = Probe(instance.connect, watches_redo=True)
    probe.start()
    wait_for(lambda: probe.latest.number >= 2)
    probe.close()
    assert instance.queries.count(WRITTEN) >= 10
    # Two intervals and the one before the copy.
    looks = sum("FROM information_schema.PROCESSLIST" in query for query in instance.queries)
    assert looks <= 5


def test_a_connection_is_closed_when_the_copy_ends() -> None:
    instance = Instance()
    probe = Probe(instance.connect)
    probe.start()
    wait_for(lambda: probe.knows_baseline)
    probe.close()
    assert instance.closed.is_set()


def test_one_on_which_the_first_query_fails_is_closed() -> None:
    instance = Instance(refuses=True)
    probe = Probe(instance.connect)
    probe.start()
    wait_for(lambda: probe.latest.error == "access denied")
    assert instance.closed.is_set()
    probe.close()


def test_one_that_is_made_while_the_copy_ends_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backups.pacing.probe.JOIN_SECONDS", 0.05)
    instance, connecting, go = Instance(), threading.Event(), threading.Event()

    def connect() -> Connection[DictCursor]:
        connecting.set()
        go.wait(30)
        return instance.connect()

    probe = Probe(connect)
    probe.start()
    connecting.wait(30)
    probe.close()
    go.set()
    assert instance.closed.wait(30)
    assert instance.queries == []
