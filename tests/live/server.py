"""Where does the private server of the live tests listen, and how does root ask it something?"""

from __future__ import annotations

import hashlib
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backups.programs.private_server import PrivateServer, initialise
from tests.live.templates import copy_template


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


def new_mariadb(folder: Path, options: Mapping[str, str] | None = None) -> None:
    """Make a folder a new server's, as ``initialise`` does, which takes longer than a copy."""
    given = json.dumps(sorted((options or {}).items()))
    if "/" in given:
        # Files of its own somewhere else are in no copy of a folder.
        initialise(folder, options)
        return
    name = f"mariadb-{hashlib.sha256(given.encode()).hexdigest()[:16]}"
    copy_template(name, lambda made: initialise(made, options), folder)


def free_port() -> int:
    """Return a port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
