"""A whole Mooring in a folder of its own, whose processes a test may kill."""

from __future__ import annotations

import os
import signal
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.live.clone_jobs import PASSWORD
from tests.live.forks import Forks
from tests.live.mooring_site import make_home
from tests.live.mysql import ROOT, PrivateMysql, program
from tests.live.templates import copy_template
from tests.live.victim import LATE_TICK

TAKE = ("takebackup", "bank-1", "--foreground", "--json")


class CloneSite:
    """Has one instance, ``bank-1``, and one repository. Use as a context."""

    def __init__(self, home: Path, *, throttle_bytes_per_s: int = 0) -> None:
        self.home = home
        self.repository = home / "repository"
        copy_template("home", make_home, home)
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "MOORING_HOME": str(home),
            "MOORING_MYSQLD": program("mysqld"),
            "MOORING_THROTTLE_BYTES_PER_S": str(throttle_bytes_per_s),
        }
        self._forks = Forks(environment, home / "victims.log")

    def __enter__(self) -> CloneSite:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._forks.close()

    def set_up(self, server: PrivateMysql) -> None:
        password = self.home / "password"
        password.write_text(PASSWORD)
        account = ["--port", str(server.port), "--user", "bk", "--password-file", str(password)]
        self.run("addrepository", "main", "--path", str(self.repository))
        self.run("addinstance", "bank-1", *account)
        password.unlink()

    def start(self, *words: str) -> int:
        """Begin a command and return its process; ``ended`` has to be asked next."""
        return self._forks.start(*words)

    def ended(self) -> int:
        """Wait for the end of what was started and return its exit code."""
        return self._forks.ended()

    def run(self, *words: str) -> None:
        self.start(*words)
        assert self.ended() == 0, (self.home / "victims.log").read_text()

    def kill(self, pid: int) -> int:
        # It may have ended by itself just before.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return self.ended()

    def tick(self) -> None:
        self.run(LATE_TICK)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Read Mooring's own database. Any: SQL's values."""
        with closing(sqlite3.connect(self.home / "mooring.sqlite3", timeout=30)) as database:
            return list(database.execute(sql))

    def errors(self) -> list[tuple[Any, ...]]:
        return self.rows("SELECT id, error FROM backups_job WHERE error <> '' ORDER BY id")

    def unfinished(self) -> list[str]:
        """Name what lies in the repository and belongs to no backup."""
        whole = {folder.parent for folder in self.repository.rglob("manifest*")}
        files = [path for path in self.repository.rglob("*") if path.is_file()]
        return sorted(
            str(path)
            for path in files
            if path.suffix == ".part" or not whole & {path.parent, path.parent.parent}
            if path.name != "mooring.json"
        )
