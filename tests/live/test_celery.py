"""Through the broker: a private Redis, a real worker, and what happens when it is killed."""

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
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from backups.grants import NEEDED
from tests.live.bank import Teller, open_bank
from tests.live.conftest import LiveServer

pytestmark = pytest.mark.live

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "celery-p4ssword"
LEASE_SECONDS = 6


@dataclass
class Site:
    """A whole Mooring of its own, in a folder of its own."""

    home: Path
    environment: dict[str, str]

    def manage(self, *words: str) -> dict[str, Any]:
        """Run one of the commands and return what it printed. Any: each decides what."""
        done = self.start(*words).communicate()
        answer = json.loads(done[0])
        assert isinstance(answer, dict)
        return answer

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "manage.py", *words, "--json"]
        return subprocess.Popen(
            argv,
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=(self.home / "manage.log").open("ab"),
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Read Mooring's own database. Any: SQL's values."""
        with closing(sqlite3.connect(self.home / "mooring.sqlite3", timeout=30)) as database:
            return list(database.execute(sql))

    def stored(self) -> list[str]:
        return sorted(p.name for p in (self.home / "repository").rglob("*") if p.is_file())


@pytest.fixture
def site(mariadb: LiveServer) -> Iterator[Site]:
    home = Path(tempfile.mkdtemp(prefix="mooring-celery-"))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "MOORING_HOME": str(home),
        "MOORING_LEASE_SECONDS": str(LEASE_SECONDS),
        "MOORING_THROTTLE_BYTES_PER_S": str(8 << 20),
        "MOORING_ADMIN_USER": "admin",
        "MOORING_ADMIN_PASSWORD": "a long enough one",
        "PYTHONPATH": str(ROOT),
    }
    try:
        subprocess.run(
            [sys.executable, "-m", "scripts.prepare"],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
        )
        site = Site(home, environment)
        register(site, mariadb)
        with running([*redis(home)], site):
            wait_until((home / "run" / "redis.sock").exists)
            yield site
    finally:
        shutil.rmtree(home)


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

    def terminate(self) -> None:
        """Ask it to shut down as an operator would."""
        self._child.terminate()

    def kill(self) -> None:
        if self._child.poll() is None:
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()


def worker(site: Site) -> running:
    argv = [sys.executable, "-m", "celery", "-A", "monitor", "worker", "--concurrency", "2"]
    argv += ["--queues", "copy,transfer,control", "--beat", "--loglevel", "INFO"]
    return running([*argv, "--without-gossip", "--without-mingle"], site)


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


def test_a_backup_through_the_broker(site: Site, mariadb: LiveServer) -> None:
    with worker(site), Teller(mariadb.server.connect):
        answer = site.manage("takebackup", "bank-1")
        assert (answer["status"], answer["error"]) == ("succeeded", "")
        verified = site.manage("verifybackup", answer["label"])
        assert verified["status"] == "succeeded"
        tested = site.manage("testrestore", answer["label"])
        assert tested["status"] == "succeeded"
    assert [row[0] for row in site.rows("SELECT status FROM backups_job")] == ["succeeded"] * 3


def test_a_worker_that_is_killed_loses_the_job_and_nothing_else(
    site: Site, mariadb: LiveServer
) -> None:
    before = set(engines_of(mariadb))
    with worker(site) as first:
        command = site.start("takebackup", "bank-1")
        wait_until(lambda: site.rows("SELECT 1 FROM backups_job WHERE stored_bytes > 0"))
        engines = set(engines_of(mariadb)) - before
        assert engines
        killed_at = time.monotonic()
        first.kill()
    # The engine goes with its worker, before anybody has even noticed.
    assert psutil.wait_procs(engines, timeout=5)[1] == []
    assert status_of(site) == "running"
    assert site.stored() != ["mooring.json"]
    with worker(site):
        said, _ = command.communicate(timeout=60)
        assert time.monotonic() - killed_at >= LEASE_SECONDS - 1
        assert command.returncode == 1
        answer = json.loads(said)
        assert answer["status"] == "lost"
        assert "stopped renewing its lease" in answer["error"]
        wait_until(lambda: site.stored() == ["mooring.json"])
        assert site.manage("takebackup", "bank-1")["status"] == "succeeded"
        assert site.rows("SELECT count(*) FROM backups_job WHERE leftovers") == [(0,)]


def test_a_cancel_reaches_the_worker(site: Site, mariadb: LiveServer) -> None:
    with worker(site):
        command = site.start("takebackup", "bank-1")
        wait_until(lambda: site.rows("SELECT 1 FROM backups_job WHERE stored_bytes > 0"))
        (number,) = site.rows("SELECT id FROM backups_job")[0]
        assert site.manage("canceljob", str(number))["status"] == "cancelled"
        assert json.loads(command.communicate()[0])["status"] == "cancelled"
        assert site.stored() == ["mooring.json"]


def test_a_job_asked_for_while_nobody_was_there_is_done_later(
    site: Site, mariadb: LiveServer
) -> None:
    command = site.start("takebackup", "bank-1")
    wait_until(lambda: site.rows("SELECT 1 FROM backups_job WHERE status = 'pending'"))
    with worker(site):
        assert json.loads(command.communicate(timeout=60)[0])["status"] == "succeeded"
