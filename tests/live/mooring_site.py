"""A whole Mooring of its own: state folder, commands, broker, workers, for tests that break it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from backups.instances.grants import NEEDED
from scripts.processes import children
from tests.live.bank import open_bank
from tests.live.forks import Forks
from tests.live.server import LiveServer
from tests.live.templates import copy_template
from tests.live.victim import TICK

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "celery-p4ssword"
LEASE_SECONDS = 6
SLOW_BYTES_PER_S = 8 << 20


@dataclass
class Site:
    """A whole Mooring of its own, in a folder of its own."""

    home: Path
    environment: dict[str, str]
    commands: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _forks: Forks | None = None

    def manage(self, *words: str) -> dict[str, Any]:
        """Run one of the commands and return what it printed. Any: each decides what."""
        said = self.home / "said.json"
        forks = self.forks()
        forks.start(*words, "--json", output=str(said))
        forks.ended()
        answer = json.loads(said.read_bytes())
        said.unlink()
        assert isinstance(answer, dict)
        return answer

    def forks(self) -> Forks:
        """Return what starts commands quickly, in the environment the site has now."""
        if self._forks is None or self._forks.environment != self.environment:
            self.close_forks()
            self._forks = Forks(self.environment, self.home / "manage.log")
        return self._forks

    def close_forks(self) -> None:
        if self._forks is not None:
            self._forks.close()
            self._forks = None

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "manage.py", *words, "--json"]
        command = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=(self.home / "manage.log").open("ab"),
        )
        self.commands.append(command)
        return command

    def end_commands(self) -> None:
        """End what a test that failed left behind: its engine would lock out every later one."""
        self.close_forks()
        for command in self.commands:
            # Nothing survives that, even where the test made it stand still.
            command.kill()
            command.wait()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Read Mooring's own database. Any: SQL's values."""
        if url := self.environment.get("DATABASE_URL"):
            with psycopg.connect(url) as postgres:
                return list(postgres.execute(sql.encode()))
        with closing(sqlite3.connect(self.home / "mooring.sqlite3", timeout=30)) as database:
            return list(database.execute(sql))

    def stored(self) -> list[str]:
        return sorted(p.name for p in (self.home / "repository").rglob("*") if p.is_file())

    def tick(self, words: str = TICK) -> None:
        """Do what the tick does that looks for lost jobs and their leftovers.

        With ``LATE_TICK`` as if every lease had run out.
        """
        forks = self.forks()
        forks.start(words)
        assert forks.ended() == 0, (self.home / "manage.log").read_text()

    def sockets(self) -> Path:
        return self.home / "run" / "redis.sock"


@contextmanager
def private_site(
    mariadb: LiveServer,
    *,
    throttle: int = SLOW_BYTES_PER_S,
    lease: int = LEASE_SECONDS,
    **more: str,
) -> Iterator[Site]:
    """Make a site that knows the server as ``bank-1``, and a repository; nothing runs yet."""
    home = Path(tempfile.mkdtemp(prefix="mooring-site-"))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "MOORING_HOME": str(home),
        "MOORING_LEASE_SECONDS": str(lease),
        "MOORING_THROTTLE_BYTES_PER_S": str(throttle),
        "MOORING_ADMIN_USER": "admin",
        "MOORING_ADMIN_PASSWORD": "a long enough one",
        "PYTHONPATH": str(ROOT),
        **more,
    }
    try:
        if "DATABASE_URL" in more:
            _prepare(environment)
        else:
            copy_template("home", make_home, home)
        site = Site(home, environment)
        try:
            register(site, mariadb)
            yield site
        finally:
            site.end_commands()
    finally:
        shutil.rmtree(home)


def make_home(folder: Path) -> None:
    """Make a state folder with keys, static files, and a database without rows of ours."""
    # Nothing of the tests' own settings and keys.
    path = os.environ["PATH"]
    _prepare({"PATH": path, "MOORING_HOME": str(folder), "PYTHONPATH": str(ROOT)})


def _prepare(environment: Mapping[str, str]) -> None:
    argv = [sys.executable, "-m", "scripts.prepare"]
    subprocess.run(argv, cwd=ROOT, env=environment, check=True, capture_output=True)


def register(site: Site, mariadb: LiveServer) -> None:
    with mariadb.server.connect() as root, root.cursor() as cursor:
        cursor.execute("SHOW DATABASES LIKE 'bank'")
        if not cursor.fetchall():
            open_bank(root)
        cursor.execute("CREATE OR REPLACE USER celery@'%%' IDENTIFIED BY %s", (PASSWORD,))
        cursor.execute(f"GRANT {', '.join(NEEDED)} ON *.* TO celery@'%'")
    file = site.home / "password"
    file.write_text(PASSWORD)
    socket = ["--socket", mariadb.socket, "--user", "celery", "--password-file", str(file)]
    assert site.manage("addinstance", "bank-1", *socket)["checked"]
    file.unlink()
    folder = str(site.home / "repository")
    assert site.manage("addrepository", "main", "--path", folder)["key_problem"] == ""


def redis(home: Path) -> list[str]:
    socket = str(home / "run" / "redis.sock")
    return ["redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", str(home)]


class running:
    """A process and all its children, gone when the context is left."""

    def __init__(self, argv: list[str], site: Site) -> None:
        self._child = subprocess.Popen(
            argv,
            cwd=ROOT,
            env=site.environment,
            stdin=subprocess.DEVNULL,
            stdout=(site.home / f"{Path(argv[0]).name}.log").open("ab"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> running:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def signal(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    def wait(self, seconds: float) -> int:
        return self._child.wait(seconds)

    def kill(self) -> None:
        if self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()


class worker(running):
    """The processes ``worker`` and ``control`` as they are installed; signals go to both."""

    def __init__(self, site: Site) -> None:
        argvs = {child.name: list(child.argv) for child in children(site.environment)}
        self._control = running(argvs["control"], site)
        super().__init__(argvs["worker"], site)

    def signal(self, number: signal.Signals) -> None:
        super().signal(number)
        self._control.signal(number)

    def kill(self) -> None:
        super().kill()
        self._control.kill()


def wait_until(happened: Callable[[], object], seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)


def status_of(site: Site) -> str:
    return str(site.rows("SELECT status FROM backups_job ORDER BY id DESC LIMIT 1")[0][0])


def engines_of(mariadb: LiveServer) -> list[psutil.Process]:
    """The copies of that very server that are at work."""
    folder = str(mariadb.folder)
    return [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "mariadb-backup" and process.info["cwd"] == folder
    ]
