"""One server of each product with the same account and the same backup commands, for one test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

from backups.instances.grants import NEEDED
from backups.models import Instance
from backups.programs.private_server import PrivateServer, ServerOptions
from tests.live import clone_jobs
from tests.live.mysql import PrivateMysql
from tests.live.server import free_port, new_mariadb
from tests.live.test_first_backup import PASSWORD, add_instance

PRODUCTS = ("mariadb", "mysql")


@dataclass(frozen=True, slots=True)
class Product:
    """A running server that can be backed up."""

    name: str
    port: int
    folder: Path
    # Any: cursors of every kind.
    connect: Callable[[], Connection[Any]]
    add: Callable[[], Instance]
    # As a power cut would, and again.
    kill: Callable[[], None]
    start: Callable[[], None]

    @property
    def is_mysql(self) -> bool:
        return self.name == "mysql"

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as root and return the rows of the last. Any: SQL's values."""
        return run(self.connect, statements)

    @contextmanager
    def writing(self, statement: str) -> Iterator[None]:
        """Repeat a statement as long as the context lasts."""
        done, first = threading.Event(), threading.Event()

        def write() -> None:
            with closing(self.connect()) as connection, connection.cursor() as cursor:
                while not done.is_set():
                    cursor.execute(statement)
                    first.set()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            assert first.wait(60)
            yield
        finally:
            done.set()
            writer.join()


# Any: as above.
def run(connect: Callable[[], Connection[Any]], statements: Sequence[str]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    with closing(connect()) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            rows = list(cursor.fetchall())
    return rows


@contextmanager
def serving(name: str, folder: Path, *, binlog: bool = True) -> Iterator[Product]:
    """Start one of the products on a new data folder."""
    if name == "mysql":
        with PrivateMysql(folder, {} if binlog else {"disable-log-bin": ""}) as mysql:
            mysql.execute(*clone_jobs.USER)
            mysql.execute("GRANT SELECT, SHOW VIEW ON *.* TO bk@'127.0.0.1'")
            yield Product(
                name,
                mysql.port,
                folder,
                lambda: mysql.connect(),
                lambda: clone_jobs.add_instance(mysql),
                mysql.kill,
                mysql.start,
            )
        return
    new_mariadb(folder)
    settings = ServerOptions(port=free_port(), server_id=1, binlog=binlog)
    with PrivateServer(folder, settings) as mariadb:
        run(
            mariadb.connect,
            (
                f"CREATE USER bk@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
                f"GRANT {', '.join(NEEDED)} ON *.* TO bk@'127.0.0.1'",
                "GRANT SELECT, SHOW VIEW ON *.* TO bk@'127.0.0.1'",
            ),
        )
        assert settings.port is not None
        yield Product(
            name,
            settings.port,
            folder,
            mariadb.connect,
            lambda: add_instance(mariadb),
            mariadb.kill,
            mariadb.start,
        )
