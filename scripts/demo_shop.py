"""A private server of the demo: made once, kept between runs, run while the demo runs.

MariaDB, unless a subclass says otherwise.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

from backups.instances.grants import (
    NEEDED,
    NEEDED_TO_ARCHIVE,
    NEEDED_TO_SEE_TRIGGERS,
    NEEDED_TO_UNDO,
    quoted_account,
)
from backups.programs.private_server import PrivateServer, ServerOptions, initialise
from scripts import shop
from scripts.console import timed
from scripts.processes import Child
from scripts.shop import RowSum

BACKUP_ACCOUNT = "mooring@127.0.0.1"
# Room for the working set, a redo log a fill fits into, and no wait for the disk at each
# commit: what is measured here is Mooring.
OPTIONS: Mapping[str, str] = {
    "innodb-buffer-pool-size": "256M",
    "innodb-log-file-size": "128M",
    "innodb-flush-log-at-trx-commit": "2",
    "binlog-format": "ROW",
    "max-binlog-size": "64M",
    "expire-logs-days": "1",
    "skip-name-resolve": "",
}


class DemoShop:
    """Folder, passwords and port of the shop, and its server while ``running``."""

    instance = "shop-1"
    title = "MariaDB"
    # Of the files that belong to it.
    _name, _prefix = "mariadb", "shop"
    # What its instance is set to, and how its restored copy is run.
    instance_words: Sequence[str] = ()
    proof_settings = ServerOptions(options={"innodb-buffer-pool-size": "256M"})

    def __init__(self, home: Path) -> None:
        self.folder = home / self._name
        self._keys = home / "keys"
        self._run_folder = home / "run" / self._name
        self._note = home / f"{self._prefix}.json"
        self.server: PrivateServer | None = None

    @property
    def port(self) -> int:
        return int(self._noted()["port"])

    @property
    def row_sums(self) -> dict[str, RowSum]:
        """What the static tables held when they were filled."""
        return {table: RowSum(**sums) for table, sums in self._noted()["row_sums"].items()}

    @property
    def password_file(self) -> Path:
        """The backup user's password; made on first use."""
        return created_secret(self._keys / f"{self._prefix}-backup.password")

    @property
    def root_password(self) -> str:
        return created_secret(self._root_file).read_text().strip()

    @property
    def _root_file(self) -> Path:
        return self._keys / f"{self._prefix}-root.password"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Have the shop run, filled, with its backup user."""
        if not self.folder.is_dir():
            with timed(f"making a private {self.title}"):
                self._create()
        settings = self._settings(self._usable_port())
        with PrivateServer(self.folder, settings, run_folder=self._run_folder) as self.server:
            self._fill()
            self._create_backup_user()
            yield

    def connect(self) -> Connection:
        assert self.server is not None
        return self.server.connect(password=self.root_password)

    def writer(self) -> Child:
        """Return the process that keeps the shop busy."""
        assert self.server is not None
        argv = [sys.executable, "-m", "scripts.shop", "write", "--socket", str(self.server.socket)]
        return Child(f"{self._prefix}-writer", (*argv, "--password-file", str(self._root_file)))

    def _create(self) -> None:
        """Make the data folder under another name: one that is there is always complete."""
        unfinished = self.folder.with_name(f"{self._name}.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        self._initialise(unfinished)
        unfinished.rename(self.folder)

    def _initialise(self, folder: Path) -> None:
        initialise(folder)
        # Before it listens on any port: nobody but us is ever root of it.
        with (
            PrivateServer(folder) as server,
            server.connect() as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("DELETE FROM mysql.global_priv WHERE Host <> 'localhost' OR User = ''")
            cursor.execute("FLUSH PRIVILEGES")
            cursor.execute("SET PASSWORD = PASSWORD(%s)", (self.root_password,))

    def _settings(self, port: int) -> ServerOptions:
        return ServerOptions(port=port, server_id=1, binlog=True, options=OPTIONS)

    def _usable_port(self) -> int:
        """The port of the run before, so that the instance stays where it was registered."""
        if "port" not in self._noted():
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self._write_note(port=probe.getsockname()[1])
        return self.port

    def _fill(self) -> None:
        with self.connect() as connection:
            if "row_sums" in self._noted() and shop.is_filled(connection):
                return
        with timed(f"filling the shop in {self.title}"):
            sums = self._make_rows()
        self._write_note(row_sums={table: asdict(one) for table, one in sums.items()})

    def _make_rows(self) -> dict[str, RowSum]:
        return shop.fill(self.connect)

    def _create_backup_user(self) -> None:
        account = quoted_account(BACKUP_ACCOUNT)
        password = self.password_file.read_text(encoding="utf-8").strip()
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE OR REPLACE USER {account} IDENTIFIED BY %s", (password,))
            granted = (*NEEDED, *NEEDED_TO_ARCHIVE, *NEEDED_TO_UNDO, *NEEDED_TO_SEE_TRIGGERS)
            cursor.execute(f"GRANT {', '.join(granted)} ON *.* TO {account}")

    def _noted(self) -> dict[str, Any]:
        # Any: what json.loads returns; only this class writes the file.
        return dict(json.loads(self._note.read_text())) if self._note.exists() else {}

    def _write_note(self, **news: object) -> None:
        unfinished = self._note.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(self._noted() | news, indent=2), encoding="utf-8")
        unfinished.replace(self._note)


def created_secret(path: Path) -> Path:
    """Return a file with a password, mode 0600; make one up where there is none."""
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(15) + "\n")
    return path
