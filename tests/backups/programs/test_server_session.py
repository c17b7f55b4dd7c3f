"""A private server that ends while it is asked: killed it proves nothing, crashed it does."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pymysql
import pytest
from pymysql.connections import Connection

from backups.exceptions import EngineError, StageFailed
from backups.programs.private_server import PrivateServer
from backups.programs.server_session import session
from tests.live.server import new_mariadb

pytestmark = pytest.mark.live


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PrivateServer]:
    new_mariadb(tmp_path / "data")
    with PrivateServer(tmp_path / "data") as server:
        yield server


def end_by(server: PrivateServer, number: signal.Signals) -> None:
    assert server.pid
    os.kill(server.pid, number)


def ask(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def between(server: PrivateServer, number: signal.Signals) -> None:
    """It ends after it has answered and before it is asked."""
    end_by(server, number)
    assert server.exit_code(10) is not None
    with session(server) as connection:
        ask(connection)


def meanwhile(server: PrivateServer, number: signal.Signals) -> None:
    with session(server) as connection:
        end_by(server, number)
        assert server.exit_code(10) is not None
        ask(connection)


@pytest.mark.parametrize("moment", [between, meanwhile])
@pytest.mark.parametrize(
    ("number", "error", "words"),
    [(signal.SIGKILL, StageFailed, "was killed"), (signal.SIGSEGV, EngineError, "ended with")],
)
def test_its_end_is_described_by_how_it_ended(
    server: PrivateServer,
    moment: Callable[[PrivateServer, signal.Signals], None],
    number: signal.Signals,
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=f"the private server {words}"):
        moment(server, number)


def test_an_error_of_the_query_stays_one(server: PrivateServer) -> None:
    with (
        pytest.raises(pymysql.err.ProgrammingError),
        session(server) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT * FROM mysql.nothing")
