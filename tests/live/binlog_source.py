"""A private server of either flavour whose binary logs are received, and how they are compared."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from backups.engines.base import Login
from backups.logins.tls import Certificates, Tls
from backups.models import Instance
from backups.models.instance import TlsMode
from backups.programs.private_server import PrivateServer, ServerOptions
from tests.live.mooring_site import wait_until
from tests.live.mysql import PrivateMysql
from tests.live.server import LiveServer, free_port, new_mariadb

FLAVOURS = ("mariadb", "mysql")
USER, PASSWORD = "receiver", "received-s3cret"
_ACCOUNT = (
    f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
    f"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO {USER}@'127.0.0.1'",
    "CREATE DATABASE shop",
    "CREATE TABLE shop.lines (id INT AUTO_INCREMENT PRIMARY KEY, t LONGTEXT) ENGINE=InnoDB",
)
# Of a binlog's first event: set on the disk of the source while the file is open.
IN_USE_BYTE = 21


class BinlogSource:
    """A running server with a binary log. Use as a context."""

    def __init__(
        self,
        folder: Path,
        flavour: str,
        options: Mapping[str, str] | None = None,
        server_id: int = 1,
    ) -> None:
        self.flavour = flavour
        self._folder = folder
        shared = {"binlog-format": "ROW", "sync-binlog": "1", **(options or {})}
        if flavour == "mysql":
            own = {"log-bin": "binlog", "server-id": str(server_id)}
            # With its scheduler at work, a server that shuts down waits eight seconds for replicas.
            shared = {**own, "event-scheduler": "OFF", "max-allowed-packet": "1G", **shared}
            self.server: PrivateMysql | PrivateServer = PrivateMysql(folder, shared)
            self.port = self.server.port
            return
        self.port = free_port()
        shared = {"max-allowed-packet": "1G", **shared}
        settings = ServerOptions(port=self.port, binlog=True, server_id=server_id, options=shared)
        if not folder.exists():
            new_mariadb(folder)
        self.server = PrivateServer(folder, settings)

    def __enter__(self) -> BinlogSource:
        self.server.start()
        if not self.execute("SHOW DATABASES LIKE 'shop'"):
            self.execute(*_ACCOUNT)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.server.__exit__(kind, error, trace)

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as root and return the rows of the last. Any: SQL's values."""
        if isinstance(self.server, PrivateMysql):
            return self.server.execute(*statements)
        return LiveServer(self.server, "127.0.0.1", self.port).execute(*statements)

    def connect(self) -> Any:
        """Return a connection as root. Any: of the client library."""
        if isinstance(self.server, PrivateMysql):
            return self.server.connect()
        return self.server.connect()

    def crash(self) -> None:
        """End it as a power cut would, and start it again."""
        self.server.kill()
        self.server.start()

    def write(self, count: int, size: int = 300) -> None:
        """Commit so many transactions."""
        with self.connect() as connection, connection.cursor() as cursor:
            for _ in range(count):
                cursor.execute("INSERT INTO shop.lines (t) VALUES (REPEAT('x', %s))", (size,))
                connection.commit()

    def rotate(self) -> None:
        self.execute("FLUSH BINARY LOGS")

    def lose_tail(self, size: int) -> None:
        """Crash, and lose what its newest binary log has beyond a size."""
        name = self.files()[-1][0]
        self.server.kill()
        with (self.server.folder / name).open("r+b") as file:
            file.truncate(size)
        self.server.start()

    def copy_to(self, folder: Path) -> None:
        """Leave a copy of its folder, for a server of another identity."""
        self.server.stop()
        shutil.copytree(self.server.folder, folder)
        (folder / "auto.cnf").unlink(missing_ok=True)

    def wait_for_replica(self) -> None:
        """Confirm commits only when a replica has acknowledged them, however long it takes.

        Until the server ends: it is started without any option file.
        """
        if self.flavour == "mysql":
            plugin = "SELECT 1 FROM information_schema.PLUGINS WHERE PLUGIN_NAME LIKE 'rpl_semi%'"
            if not self.execute(plugin):
                self.execute("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
            self.execute(
                "SET GLOBAL rpl_semi_sync_source_timeout = 3600000",
                "SET GLOBAL rpl_semi_sync_source_enabled = ON",
            )
        else:
            self.execute(
                "SET GLOBAL rpl_semi_sync_master_timeout = 3600000",
                "SET GLOBAL rpl_semi_sync_master_wait_point = AFTER_SYNC",
                "SET GLOBAL rpl_semi_sync_master_enabled = ON",
            )

    def reset(self) -> None:
        old = self.flavour == "mariadb"
        self.execute("RESET MASTER" if old else "RESET BINARY LOGS AND GTIDS")

    def purge(self) -> None:
        """Purge all but the newest file; a lost connection of ours may keep one for a moment."""
        newest = self.files()[-1][0]
        wait_until(lambda: self._purge_to(newest))

    def _purge_to(self, name: str) -> bool:
        self.execute(f"PURGE BINARY LOGS TO '{name}'")
        return self.files()[0][0] == name

    def files(self) -> list[tuple[str, int]]:
        """Return the names and sizes of its binary logs."""
        return [(row[0], int(row[1])) for row in self.execute("SHOW BINARY LOGS")]

    def binlog(self, name: str) -> bytes:
        return masked((self.server.folder / name).read_bytes())

    def instance(self, name: str = "shop-1") -> Instance:
        """Make it an instance of Mooring."""
        instance = Instance(
            name=name, port=self.port, user=USER, tls=TlsMode.PREFERRED, flavour=self.flavour
        )
        instance.set_password(PASSWORD)
        instance.save()
        return instance


@contextmanager
def binlog_source(folder: Path, flavour: str, **options: str) -> Iterator[BinlogSource]:
    """Run a source; in names of options write _ for -."""
    given = {name.replace("_", "-"): text for name, text in options.items()}
    with BinlogSource(folder, flavour, given) as source:
        yield source


def login_at(flavour: str, port: int) -> Login:
    """Return how the receiver's account logs in."""
    return Login(
        user=USER,
        password=PASSWORD,
        host="127.0.0.1",
        port=port,
        socket="",
        tls=Tls.PREFERRED,
        certificates=Certificates("", "", ""),
        engine="clone" if flavour == "mysql" else "mariadb_backup",
    )


def masked(content: bytes) -> bytes:
    """Return a binary log as if it were not in use."""
    clear = content[IN_USE_BYTE] & ~1
    return content[:IN_USE_BYTE] + bytes((clear,)) + content[IN_USE_BYTE + 1 :]


def differing(source: BinlogSource, spool: Path) -> list[str]:
    """Return the names of the source's files that are not in the spool, or not the same there.

    Those before the first that was received do not count.
    """
    names = [name for name, _ in source.files()]
    received = {path.name for path in spool.iterdir()}
    expected = names[min(names.index(name) for name in received if name in names) :]
    return [
        name
        for name in expected
        if name not in received or masked((spool / name).read_bytes()) != source.binlog(name)
    ]
