"""The server that is backed up: private, filled once with sysbench's tables, kept for repeats."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from backups.engines.base import Login
from backups.instances.grants import NEEDED, quoted_account
from backups.programs.private_server import PrivateServer, ServerOptions, initialise
from bench.measure import BenchError, tail, tree_bytes

SCHEMA = "sbtest"
TABLES = 8
# What sysbench's tables were seen to take on disk, index included.
BYTES_PER_ROW = 250
ACCOUNT = "mooring@localhost"
OPTIONS: Mapping[str, str] = {
    "innodb-buffer-pool-size": "256M",
    "innodb-log-file-size": "256M",
    "skip-name-resolve": "",
}
# While it is filled nothing has to survive a power cut: a fill that is cut off starts again.
FILLING: Mapping[str, str] = {
    "innodb-buffer-pool-size": "1G",
    "innodb-log-file-size": "1G",
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-doublewrite": "0",
}


class Database:
    """About ``gib`` GiB of tables in ``folder``."""

    def __init__(self, folder: Path, gib: float) -> None:
        self.gib = gib
        self.name = f"bench-{gib:g}-gib"
        self.data = folder / "data"
        # How it runs when it is measured.
        self.options = OPTIONS
        self.password = "not a secret: it opens made-up rows on a socket of our own"
        self._run_folder = folder / "run"

    @property
    def socket(self) -> Path:
        return self._run_folder / "server.sock"

    @property
    def login(self) -> Login:
        user = ACCOUNT.partition("@")[0]
        return Login(user=user, password=self.password, socket=str(self.socket))

    @property
    def address_words(self) -> list[str]:
        """What names it to ``addinstance``."""
        return ["--socket", self.login.socket, "--user", self.login.user]

    def fill(self) -> None:
        """Make and fill the data folder under another name: one that is there is whole."""
        if self.data.is_dir():
            return
        unfinished = self.data.with_name("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        initialise(unfinished)
        with PrivateServer(unfinished, ServerOptions(options=FILLING)) as server:
            execute(server, f"CREATE DATABASE {SCHEMA}")
            prepare(server, rows=self.rows_per_table)
        unfinished.rename(self.data)

    @property
    def rows_per_table(self) -> int:
        return int(self.gib * 2**30 / BYTES_PER_ROW / TABLES)

    @contextmanager
    def running(self) -> Iterator[PrivateServer]:
        """Have the server run with its binlog on, its tablespaces in the page cache."""
        settings = ServerOptions(server_id=1, binlog=True, options=self.options)
        with PrivateServer(self.data, settings, run_folder=self._run_folder) as server:
            account = quoted_account(ACCOUNT)
            execute(
                server,
                # Binlogs of earlier runs only fill the disk.
                "RESET MASTER",
                f"CREATE OR REPLACE USER {account} IDENTIFIED BY '{self.password}'",
                f"GRANT {', '.join(NEEDED)} ON *.* TO {account}",
            )
            self.warm()
            yield server

    def warm(self) -> None:
        """Read every tablespace once."""
        buffer = bytearray(1 << 20)
        for path in self.tablespaces():
            with path.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass

    def tablespaces(self) -> list[Path]:
        return sorted(self.data.rglob("*.ibd"))

    @property
    def table_bytes(self) -> int:
        return tree_bytes(self.data, "*.ibd")


def execute(server: PrivateServer, *statements: str) -> int:
    """Run statements as root; return the first number of the last answer, 0 without one."""
    with server.connect() as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def count_rows(server: PrivateServer) -> int:
    """Return how many rows one of the tables holds."""
    return execute(server, f"SELECT COUNT(*) FROM {SCHEMA}.sbtest1")


def await_idle(server: PrivateServer, seconds: float = 60) -> None:
    """Give the server time to write its dirty pages, so that they are nobody's cost."""
    deadline = time.monotonic() + seconds
    execute(server, "SET GLOBAL innodb_max_dirty_pages_pct = 0")
    while _dirty_pages(server) > 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    execute(server, "SET GLOBAL innodb_max_dirty_pages_pct = 90")


def _dirty_pages(server: PrivateServer) -> int:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")
        (row,) = cursor.fetchall()
    return int(row[1])


def sysbench_argv(script: str, server: PrivateServer, *options: str) -> list[str]:
    return [
        "sysbench",
        script,
        "--db-driver=mysql",
        f"--mysql-socket={server.socket}",
        "--mysql-user=root",
        f"--mysql-db={SCHEMA}",
        f"--tables={TABLES}",
        "--threads=2",
        *options,
    ]


def prepare(server: PrivateServer, *, rows: int) -> None:
    """Fill the schema with sysbench's tables."""
    log = server.run_folder / "sysbench.log"
    argv = sysbench_argv("oltp_write_only", server, f"--table-size={rows}", "prepare")
    with log.open("wb") as output:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        raise BenchError(f"sysbench ended with {done.returncode}:\n{tail(log)}")


def free_bytes(folder: Path) -> int:
    usage = os.statvfs(folder)
    return usage.f_bavail * usage.f_frsize
