"""A MySQL for the tests that need one: private, on a data folder of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pymysql
from pymysql.connections import Connection

from backups.clone_protocol import Endpoint
from tests.live.server import free_port
from tests.live.templates import copy_template

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60


class MysqlMissing(RuntimeError):
    """No MySQL to test with."""


def mysql_folder() -> Path:
    """Return where an unpacked MySQL is."""
    folder = Path(os.environ.get("MOORING_TEST_MYSQL") or ROOT / "var" / "mysql")
    if not (folder / "bin" / "mysqld").exists():
        raise MysqlMissing(f"no MySQL in {folder}: run scripts/mysql_server.sh {folder}")
    return folder


def program(name: str) -> str:
    return str(mysql_folder() / "bin" / name)


def know_scramble(endpoint: Endpoint) -> None:
    """Log in once with TLS: from then on the server accepts this account without it."""
    endpoint.connect().close()


class PrivateMysql:
    """A running mysqld. Use as a context: leaving it leaves no process behind.

    It is killed then, which saves a shutdown of seconds: who wants its files stops it before.
    """

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None) -> None:
        """``folder`` is a data folder, empty for a new server."""
        self.folder = folder.resolve()
        self.port = free_port()
        self._options = dict(options or {})
        # Short, because it holds a socket.
        self._run_folder = Path(tempfile.mkdtemp(prefix="mooring-mysql-"))
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._server is not None
        return self._server.pid

    @property
    def log_file(self) -> Path:
        return self._run_folder / "server.log"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self.kill()
        shutil.rmtree(self._run_folder, ignore_errors=True)

    def initialise(self) -> None:
        """Make the folder a new server's, where it is empty."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            return
        options = json.dumps(sorted(self._options.items()))
        if "/" in options:
            # Files of its own somewhere else are in no copy of a folder.
            self._initialise(self.folder)
            return
        # Of the same program: each release makes other files.
        made_by = f"{self._argv()[0]} {options}"
        name = f"mysql-{hashlib.sha256(made_by.encode()).hexdigest()[:16]}"
        copy_template(name, self._initialise, self.folder)
        # Who the server is: two copies must not be one.
        (self.folder / "auto.cnf").unlink()

    def _initialise(self, folder: Path) -> None:
        argv = [*self._argv(), f"--datadir={folder}", "--initialize-insecure"]
        subprocess.run(argv, check=True)

    def start(self) -> None:
        self.initialise()
        with self.log_file.open("ab") as log:
            self._server = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self._argv()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait_for_answer()

    def stop(self) -> None:
        """Shut it down in order."""
        if self._server is not None:
            self._server.terminate()
            self._server.wait(60)
            self._server = None

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self._server is not None
        self._server.kill()
        self._server.wait()
        self._server = None

    def connect(self, **options: Any) -> Connection:
        """Any: the client library's options are of many types."""
        return pymysql.connect(
            unix_socket=str(self._run_folder / "s"), user="root", autocommit=True, **options
        )

    def execute(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as root and return the rows of the last. Any: SQL's values."""
        rows: list[tuple[Any, ...]] = []
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
        return rows

    def log_errors(self) -> list[str]:
        """Return what the server's log calls an error."""
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return [line for line in lines if "[ERROR]" in line]

    def _wait_for_answer(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.connect().close()
                return
            except pymysql.err.OperationalError:
                ended = self._server is not None and self._server.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise RuntimeError(self.log_file.read_text(errors="replace")) from None
            time.sleep(0.05)

    def _argv(self) -> list[str]:
        home = mysql_folder()
        options = {
            "basedir": str(home),
            "lc-messages-dir": str(home / "share"),
            "character-sets-dir": str(home / "share" / "charsets"),
            "plugin-dir": str(home / "plugin"),
            "datadir": str(self.folder),
            "tmpdir": str(self._run_folder),
            "socket": str(self._run_folder / "s"),
            "pid-file": str(self._run_folder / "pid"),
            "log-error": str(self.log_file),
            "port": str(self.port),
            "bind-address": "127.0.0.1",
            "mysqlx": "OFF",
            "secure-file-priv": "",
            "server-id": str(self.port),
            "gtid-mode": "ON",
            "enforce-gtid-consistency": "ON",
            "innodb-buffer-pool-size": "64M",
            "innodb-redo-log-capacity": "64M",
            **({"user": "root"} if os.geteuid() == 0 else {}),
            **self._options,
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        return [program("mysqld"), "--no-defaults", *words]
