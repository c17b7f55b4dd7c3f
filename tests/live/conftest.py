"""A MariaDB for the tests that need one: private, empty, one for the whole session."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pytest_django import Settings as DjangoSettings

from backups.programs.private_server import PrivateServer, ServerOptions, initialise

if TYPE_CHECKING:
    from tests.live.faults import Place


@dataclass(frozen=True, slots=True)
class LiveServer:
    """Where a private server listens, and root's login there."""

    server: PrivateServer
    host: str
    port: int
    user: str = "root"
    password: str = ""

    @property
    def socket(self) -> str:
        return str(self.server.socket)

    @property
    def folder(self) -> Path:
        return self.server.folder

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as root and return the rows of the last. Any: SQL's values."""
        rows: list[tuple[Any, ...]] = []
        with self.server.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with its binlog on. Tests share it: make databases and users of your own."""
    folder = tmp_path_factory.mktemp("mariadb") / "data"
    initialise(folder)
    settings = ServerOptions(
        port=free_port(),
        binlog=True,
        server_id=1,
        options={"innodb-log-file-size": "16M", "innodb-flush-log-at-trx-commit": "2"},
    )
    with PrivateServer(folder, settings) as server:
        assert settings.port is not None
        yield LiveServer(server, "127.0.0.1", settings.port)


@pytest.fixture
def place(
    mariadb: LiveServer, tmp_path: Path, settings: DjangoSettings, transactional_db: None
) -> Place:
    """Everything a job needs, whole: each test of faults breaks one thing of it."""
    from tests.live.faults import make_place

    return make_place(mariadb, tmp_path, settings)


def free_port() -> int:
    """Return a port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
