"""The MySQL that is cloned: private, filled once with sysbench's tables, kept for repeats."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import Path

from backups.engines.base import Login
from backups.logins.tls import Tls
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.programs.server_program import ServerProgram, find_mysqld, mysql_program
from bench.database import FILLING, SCHEMA, Database, execute, prepare
from bench.measure import BenchError

USER, HOST = "mooring", "127.0.0.1"
# MySQL's word for what the shared options call the length of a log file.
RENAMED = {"innodb-log-file-size": "innodb-redo-log-capacity"}


class MysqlDatabase(Database):
    """About ``gib`` GiB of tables in ``folder``, on a server that is reached by its port."""

    def __init__(self, folder: Path, gib: float, mysqld: str) -> None:
        super().__init__(folder, gib)
        self.tls = Tls.PREFERRED
        self._program = mysql_program(*find_mysqld(mysqld))
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self._port = int(probe.getsockname()[1])

    @property
    def login(self) -> Login:
        return Login(user=USER, password=self.password, host=HOST, port=self._port, tls=self.tls)

    @property
    def address_words(self) -> list[str]:
        words = ["--host", HOST, "--port", str(self._port), "--user", USER]
        return [*words, "--tls", self.tls.value]

    def without_tls(self) -> Database:
        """The same server, as an instance of its own that is reached without TLS."""
        plain = copy(self)
        plain.tls, plain.name = Tls.OFF, f"{self.name}-plain"
        return plain

    def fill(self) -> None:
        if self.data.is_dir():
            return
        unfinished = self.data.with_name("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        initialise(unfinished, self._program)
        settings = self.settings(FILLING, binlog=False)
        with PrivateServer(unfinished, settings) as server:
            execute(
                server, f"CREATE DATABASE {SCHEMA}", "INSTALL PLUGIN clone SONAME 'mysql_clone.so'"
            )
            prepare(server, rows=self.rows_per_table)
        unfinished.rename(self.data)

    @contextmanager
    def running(self) -> Iterator[PrivateServer]:
        settings = self.settings(self.options, binlog=True, port=self._port)
        with PrivateServer(self.data, settings, run_folder=self._run_folder) as server:
            account = f"'{USER}'@'{HOST}'"
            execute(
                server,
                # Binlogs of earlier runs only fill the disk.
                "RESET BINARY LOGS AND GTIDS",
                f"DROP USER IF EXISTS {account}",
                f"CREATE USER {account} IDENTIFIED BY '{self.password}'",
                f"GRANT BACKUP_ADMIN, PROCESS, REFERENCES ON *.* TO {account}",
            )
            self.warm()
            yield server

    def settings(
        self, options: Mapping[str, str], *, binlog: bool, port: int | None = None
    ) -> ServerOptions:
        """Return how a server is run on these files, or on a copy of them."""
        known = {RENAMED.get(name, name): text for name, text in options.items()}
        program, server_id = self._program, 1 if binlog else None
        return ServerOptions(
            port=port, program=program, server_id=server_id, binlog=binlog, options=known
        )


def initialise(folder: Path, server: ServerProgram) -> None:
    """Make an empty folder the data folder of a new MySQL: root without a password."""
    folder.mkdir(mode=0o700, parents=True)
    parts = [f"--{name}={text}" if text else f"--{name}" for name, text in server.options.items()]
    argv = [server.path, "--no-defaults", *parts, f"--datadir={folder}", "--user=root"]
    done = subprocess.run(
        [*argv, "--initialize-insecure"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchError(f"mysqld ended with {done.returncode}:\n{done.stderr[-2000:]}")
