"""As whom does a replay log in to the restored server, whose accounts nobody here may know?

A server without grants refuses statements about accounts and events, and transactions hold some.
So an account is made when the server starts, by a file that it reads then, and dropped in the end.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from backups.programs.compatibility import MARIADB

_FILE = "replay.sql"


@dataclass(frozen=True, slots=True)
class ReplayAccount:
    """An account of the restored server, for one replay."""

    flavour: str
    user: str = field(default_factory=lambda: f"mooring-{secrets.token_hex(6)}")
    # Of every sort of letter: the copy may have a plugin that wants them.
    password: str = field(default_factory=lambda: f"Aa1.{secrets.token_hex(20)}", repr=False)

    def write(self, run_folder: Path, owner: tuple[int, int]) -> Path:
        """Write the file that makes the account, for the server's user alone."""
        with_words = (
            f"VIA mysql_native_password USING PASSWORD('{self.password}')"
            if self.flavour == MARIADB
            else f"BY '{self.password}'"
        )
        statements = (
            f"CREATE USER '{self.user}'@'localhost' IDENTIFIED {with_words};",
            f"GRANT ALL PRIVILEGES ON *.* TO '{self.user}'@'localhost' WITH GRANT OPTION;",
        )
        path = run_folder / _FILE
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write("\n".join(statements) + "\n")
        if os.geteuid() == 0:
            os.chown(path, *owner)
        return path

    @property
    def drop(self) -> str:
        return f"DROP USER '{self.user}'@'localhost'"
