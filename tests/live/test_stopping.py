"""Cancel, sleep, shutdown, and the services Mooring leans on going away, with a real server."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import psutil
import pytest

from backups.runners import SshTarget
from scripts.private_postgres import private_postgres, start_server
from tests.live.mooring_site import (
    LEASE_SECONDS,
    Site,
    engines_of,
    private_site,
    redis,
    running,
    wait_until,
    worker,
)
from tests.live.server import LiveServer
from tests.live.sshd import private_sshd

pytestmark = pytest.mark.live

COPYING = "SELECT id FROM backups_job WHERE status = 'running' AND stored_bytes > 0"


@pytest.fixture
def site(mariadb: LiveServer) -> Iterator[Site]:
    with private_site(mariadb) as site:
        yield site


def start_backup(site: Site, *words: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a backup in a process of its own; return that and the job once it copies."""
    command = site.start("takebackup", "bank-1", *(words or ("--foreground",)))
    wait_until(lambda: site.rows(COPYING))
    return command, int(site.rows(COPYING)[0][0])


def answer_of(command: subprocess.Popen[bytes]) -> dict[str, object]:
    answer = json.loads(command.communicate(timeout=60)[0])
    assert isinstance(answer, dict)
    return answer


def sessions(mariadb: LiveServer) -> list[object]:
    sql = "SELECT id FROM information_schema.processlist WHERE user = 'celery'"
    return list(mariadb.execute(sql))


def assert_nothing_is_held(site: Site, mariadb: LiveServer) -> None:
    assert engines_of(mariadb) == []
    wait_until(lambda: not sessions(mariadb), 5)
    # Nobody keeps DDL out.
    mariadb.execute("SET STATEMENT lock_wait_timeout=2 FOR ALTER TABLE bank.visits COMMENT='x'")
    held = "SELECT count(*) FROM backups_job WHERE exclusive_key IS NOT NULL OR leftovers"
    assert site.rows(held) == [(0,)]
    assert site.rows("SELECT count(*) FROM backups_limitplace") == [(0,)]


@pytest.fixture(params=["local", "ssh"])
def way(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> Iterator[str]:
    """How commands reach the server's host."""
    if request.param == "local":
        yield "local"
        return
    with private_sshd(tmp_path / "sshd") as host:
        use_ssh(site, host)
        yield "ssh"


def use_ssh(site: Site, host: SshTarget) -> None:
    columns = "runner='ssh', ssh_host=?, ssh_user=?, ssh_port=?, ssh_identity_file=?"
    with sqlite3.connect(site.home / "mooring.sqlite3", timeout=30) as database:
        database.execute(
            f"UPDATE backups_instance SET {columns}, ssh_known_hosts_file=?",
            (host.host, host.user, host.port, str(host.identity_file), str(host.known_hosts)),
        )
    database.close()


def test_a_cancel_takes_less_than_five_seconds(site: Site, mariadb: LiveServer, way: str) -> None:
    others = secret_folders()
    command, job = start_backup(site)
    made = secret_folders() - others
    (engine,) = engines_of(mariadb)
    assert Path("/proc", str(engine.pid)).exists()
    # The time of the request itself, not that of starting Python.
    asked_at = time.monotonic()
    with sqlite3.connect(site.home / "mooring.sqlite3", timeout=30) as database:
        database.execute("UPDATE backups_job SET cancel_requested = 1 WHERE id = ?", (job,))
    database.close()
    wait_until(lambda: site.rows(f"SELECT 1 FROM backups_job WHERE id={job} AND status!='running'"))
    assert time.monotonic() - asked_at < 5
    assert not engine.is_running()
    assert made or way == "local"
    # One of a test beside this one may be among them, and goes as well.
    wait_until(lambda: not any(folder.exists() for folder in made))
    assert (answer_of(command)["status"], site.stored()) == ("cancelled", ["mooring.json"])
    assert_nothing_is_held(site, mariadb)


def secret_folders() -> set[Path]:
    """Where commands on another host find their secrets."""
    return set(Path("/dev/shm").glob("mooring.*"))


def put_to_sleep(command: subprocess.Popen[bytes], site: Site) -> None:
    """Stop a process, but not in the middle of a write: all of SQLite would sleep with it."""
    database = sqlite3.connect(site.home / "mooring.sqlite3", timeout=0.1, isolation_level=None)
    while True:
        command.send_signal(signal.SIGSTOP)
        try:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
            break
        except sqlite3.OperationalError:
            command.send_signal(signal.SIGCONT)
            time.sleep(0.05)
    database.close()


def test_a_worker_that_sleeps_past_its_lease_writes_nothing_more(
    site: Site, mariadb: LiveServer, way: str
) -> None:
    command, job = start_backup(site)
    put_to_sleep(command, site)
    time.sleep(LEASE_SECONDS + 0.5)
    # The engine it started is still there, and is found by what the row says of it.
    assert engines_of(mariadb)
    site.tick()
    assert_nothing_is_held(site, mariadb)
    assert site.stored() == ["mooring.json"]
    rows = f"SELECT * FROM backups_job WHERE id = {job}"
    stages = f"SELECT * FROM backups_jobstage WHERE job_id = {job}"
    lines = f"SELECT count(*) FROM backups_joblogline WHERE job_id = {job}"
    before = [site.rows(sql) for sql in (rows, stages, lines)]

    seen: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            seen.update(site.stored())
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    command.send_signal(signal.SIGCONT)
    answer = answer_of(command)
    over.set()
    watcher.join()
    assert answer["status"] == "lost"
    # Not for a moment was there a byte of it again.
    assert seen == {"mooring.json"}
    assert [site.rows(sql) for sql in (rows, stages, lines)] == before
    assert site.manage("takebackup", "bank-1", "--foreground")["status"] == "succeeded"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_gets_a_signal_ends_its_job(
    site: Site, mariadb: LiveServer, number: signal.Signals
) -> None:
    command, _ = start_backup(site)
    engines = engines_of(mariadb)
    command.send_signal(number)
    answer = answer_of(command)
    assert (answer["status"], command.returncode) == ("failed", 1)
    assert answer["error"] == "copy failed: the worker was shut down"
    assert psutil.wait_procs(engines, timeout=5)[1] == []
    assert_nothing_is_held(site, mariadb)
    assert site.stored() == ["mooring.json"]


def test_a_command_that_was_killed_is_cleared_up_by_the_next_one(
    site: Site, mariadb: LiveServer
) -> None:
    """Where Mooring is only ever run from cron, there is no tick."""
    command, job = start_backup(site)
    command.kill()
    command.wait()
    blocked = site.manage("takebackup", "bank-1", "--foreground")
    assert blocked["error"] == "a backup of bank-1 is already queued or running"
    time.sleep(LEASE_SECONDS)
    assert site.manage("takebackup", "bank-1", "--foreground")["status"] == "succeeded"
    assert site.rows(f"SELECT status, leftovers FROM backups_job WHERE id = {job}") == [("lost", 0)]
    assert not list(site.home.rglob("*.part"))
    assert_nothing_is_held(site, mariadb)


def test_a_database_that_is_locked_for_ten_seconds(mariadb: LiveServer) -> None:
    with private_site(mariadb, lease=30) as site:
        command, _ = start_backup(site)
        database = sqlite3.connect(site.home / "mooring.sqlite3", isolation_level=None)
        database.execute("BEGIN IMMEDIATE")
        time.sleep(10)
        database.execute("ROLLBACK")
        database.close()
        answer = answer_of(command)
        assert (answer["status"], answer["error"]) == ("succeeded", "")


def test_a_broker_that_goes_away_costs_no_job(site: Site, mariadb: LiveServer) -> None:
    with running([*redis(site.home)], site) as broker:
        wait_until(site.sockets().exists)
        with worker(site):
            command, job = start_backup(site, "--kind", "full")
            broker.kill()
            site.sockets().unlink(missing_ok=True)
            wait_until(
                lambda: site.rows(f"SELECT 1 FROM backups_job WHERE id={job} AND status!='running'")
            )
            assert answer_of(command)["status"] == "succeeded"
            # Requested while it is unreachable: kept in its row.
            waiting = site.start("takebackup", "bank-1")
            wait_until(lambda: site.rows("SELECT 1 FROM backups_job WHERE status='pending'"))
            with running([*redis(site.home)], site):
                assert answer_of(waiting)["status"] == "succeeded"


@pytest.mark.parametrize("on_shutdown", ["fail", "requeue"])
def test_a_worker_that_gets_a_signal(mariadb: LiveServer, on_shutdown: str) -> None:
    with (
        private_site(mariadb, MOORING_ON_SHUTDOWN=on_shutdown) as site,
        running([*redis(site.home)], site),
    ):
        wait_until(site.sockets().exists)
        with worker(site) as first:
            command, job = start_backup(site, "--kind", "full")
            # Warm: the job may finish.
            first.signal(signal.SIGTERM)
            assert answer_of(command)["status"] == "succeeded"
            first.wait(30)
        with worker(site) as second:
            command, job = start_backup(site, "--kind", "full")
            engines = engines_of(mariadb)
            second.signal(signal.SIGTERM)
            time.sleep(1)
            # Now: as ./mooring does once its patience is over.
            second.signal(signal.SIGQUIT)
            second.wait(30)
        assert psutil.wait_procs(engines, timeout=5)[1] == []
        row = site.rows(f"SELECT status, error, leftovers FROM backups_job WHERE id = {job}")[0]
        assert row == ("failed", "copy failed: the worker was shut down", 0)
        assert_nothing_is_held(site, mariadb)
        again = site.rows(f"SELECT status FROM backups_job WHERE id > {job}")
        assert again == ([("pending",)] if on_shutdown == "requeue" else [])
        assert not list(site.home.rglob("*.part"))
        command.kill()
        command.wait()
        if again:
            with worker(site):
                wait_until(
                    lambda: site.rows(
                        f"SELECT 1 FROM backups_job WHERE id > {job} AND status = 'succeeded'"
                    ),
                    60,
                )


def test_a_postgresql_that_is_restarted_costs_no_job(mariadb: LiveServer) -> None:
    with private_postgres() as url:
        folder = unquote(url.split("@")[1].partition("/")[0])
        with private_site(mariadb, DATABASE_URL=url, lease=30) as site:
            command, _ = start_backup(site)
            (server,) = (
                child
                for child in psutil.Process().children()
                if f"{folder}/data" in child.cmdline()
            )
            # As its service does: connections break in the middle of whatever they did. (QUIT
            # would also lose what this hasty server had committed and not yet written.)
            server.send_signal(signal.SIGINT)
            server.wait(10)
            time.sleep(3)
            again = start_server(folder)
            try:
                answer = answer_of(command)
                said = (site.home / "manage.log").read_text()
                assert (answer["status"], answer["error"]) == ("succeeded", ""), said
                assert site.rows("SELECT count(*) FROM backups_limitplace") == [(0,)]
            finally:
                again.send_signal(signal.SIGQUIT)
                again.wait(10)
