"""As whom does a replay log in to the restored server, whose accounts nobody here may know?

A server without grants refuses statements about accounts and events, and transactions hold some.
So an account is made when the server starts, by a file that it reads then, and dropped in the end.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from backups.programs.compatibility import MARIADB
from backups.programs.run_folder import RunFolder

_FILE = "replay.sql"


@dataclass(frozen=True, slots=True)
class ReplayAccount:
    """An account of the restored server, for one replay."""

    flavour: str
    user: str = field(default_factory=lambda: f"mooring-{secrets.token_hex(6)}")
    # Of every sort of letter: the copy may have a plugin that wants them.
    password: str = field(default_factory=lambda: f"Aa1.{secrets.token_hex(20)}", repr=False)

    @contextmanager
    def file(self, owner: tuple[int, int]) -> Iterator[Path]:
        """Write the file that makes the account, for the server's user alone."""
        folder = RunFolder()
        try:
            path = folder.path / _FILE
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write("\n".join(self._statements()) + "\n")
            if os.geteuid() == 0:
                for each in (folder.path, path):
                    os.chown(each, *owner)
            yield path
        finally:
            folder.remove()

    def _statements(self) -> list[str]:
        """Return what may run twice: some copies need a second start, or have the account."""
        name, grant = f"'{self.user}'@'localhost'", "GRANT ALL PRIVILEGES ON *.* TO"
        if self.flavour == MARIADB:
            create = [
                f"CREATE OR REPLACE USER {name} IDENTIFIED VIA mysql_native_password "
                f"USING PASSWORD('{self.password}');"
            ]
        else:
            create = [
                f"CREATE USER IF NOT EXISTS {name} IDENTIFIED BY '{self.password}';",
                f"ALTER USER {name} IDENTIFIED BY '{self.password}';",
            ]
        return [*create, f"{grant} {name} WITH GRANT OPTION;"]

    @property
    def drop(self) -> str:
        return f"DROP USER '{self.user}'@'localhost'"
