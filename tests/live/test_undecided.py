"""A MariaDB replica that applies in parallel: its copy has transactions nobody can decide."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.engines.mariadb_backup import MariadbBackup
from backups.models import Evidence, JobLogLine, JobStage
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.states import Operation
from tests.live.faults import Place, make_place
from tests.live.mooring_site import wait_until
from tests.live.restored_files import prepare_by_hand
from tests.live.server import LiveServer, free_port, new_mariadb

pytestmark = pytest.mark.live

OPTIMISTIC = {
    "slave-parallel-threads": "8",
    "slave-parallel-mode": "optimistic",
    "log-slave-updates": "ON",
}
WAITING = """
    SELECT COUNT(*) FROM information_schema.PROCESSLIST
    WHERE STATE = 'Waiting for prior transaction to commit'
"""
REMARK = "5 prepared transactions without a binlog to decide them were rolled back"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with _server(tmp_path_factory.mktemp("source") / "data", 1) as server:
        server.execute(
            "RESET MASTER",
            "CREATE USER repl@'127.0.0.1' IDENTIFIED BY 'r'",
            "GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'",
            "CREATE DATABASE bank",
            "CREATE TABLE bank.entries (id INT PRIMARY KEY, v INT) ENGINE=InnoDB",
            "CREATE TABLE bank.external (id INT PRIMARY KEY) ENGINE=InnoDB",
            "INSERT INTO bank.entries VALUES (0, 0)",
        )
        yield server


@pytest.fixture(scope="module")
def replica(source: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A replica with five transactions that wait, prepared, and one of somebody else's."""
    with _server(tmp_path_factory.mktemp("replica") / "data", 2, OPTIMISTIC) as server:
        server.execute(
            "RESET MASTER",
            f"CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT={source.port}, "
            "MASTER_USER='repl', MASTER_PASSWORD='r', MASTER_USE_GTID=slave_pos",
            "START SLAVE",
        )
        there = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'bank'"
        wait_until(lambda: server.execute(there) == [(2,)], 60)
        wait_until(lambda: server.execute("SELECT COUNT(*) FROM bank.entries") == [(1,)], 60)
        with closing(server.server.connect()) as holder, closing(server.server.connect()) as other:
            holder.cursor().execute("BEGIN")
            holder.cursor().execute("SELECT * FROM bank.entries WHERE id = 0 FOR UPDATE")
            for words in ("START", "END", "PREPARE"):
                other.cursor().execute(f"XA {words} 'external'")
                if words == "START":
                    other.cursor().execute("INSERT INTO bank.external VALUES (7)")
            source.execute(
                "UPDATE bank.entries SET v = 1 WHERE id = 0",
                *(f"INSERT INTO bank.entries VALUES ({number}, 1)" for number in range(1, 6)),
            )
            wait_until(lambda: server.execute(WAITING) == [(5,)], 60)
            yield server
            holder.rollback()


@pytest.fixture
def place(replica: LiveServer, tmp_path: Path, settings: Settings, transactional_db: None) -> Place:
    # What make_place writes is a session's own, and not logged: the replica stays one.
    return make_place(replica, tmp_path, settings)


@contextmanager
def _server(
    folder: Path, number: int, options: dict[str, str] | None = None
) -> Iterator[LiveServer]:
    new_mariadb(folder)
    port = free_port()
    asked = ServerOptions(port=port, binlog=True, server_id=number, options=options or {})
    with PrivateServer(folder, asked) as server:
        yield LiveServer(server, "127.0.0.1", port)


def look_at(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Start a server as an operator would, and ask it what there is."""
    with PrivateServer(folder, ServerOptions(skip_grant_tables=True)) as server:
        live = LiveServer(server, "", 0)
        entries = live.execute("SELECT id, v FROM bank.entries")
        return {"entries": entries, "external": live.execute("XA RECOVER")}


def assert_rolled_back(folder: Path) -> None:
    found = look_at(folder)
    assert found["entries"] == [(0, 0)]
    # Its own coordinator decides.
    assert [row[-1] for row in found["external"]] == [b"external"]


def test_a_restore_rolls_back_what_nobody_decides(place: Place) -> None:
    label = place.label()
    ended = place.restore(label)
    assert ended.exit_code == 0, ended.json()["error"]
    assert_rolled_back(place.folder / "restored")
    assert JobLogLine.objects.filter(text__startswith=REMARK, level="warning").exists()


def test_a_restore_test_passes_and_says_so(place: Place) -> None:
    ended = place.run("testrestore", place.label())
    assert ended.exit_code == 0, ended.json()["error"]
    evidence = Evidence.objects.get(passed=True, operation=Operation.RESTORE_TEST)
    assert evidence.report["remark"].startswith(REMARK)
    tables = {(table["schema"], table["name"]): table for table in evidence.report["tables"]}
    assert tables["bank", "entries"]["rows"] == 1


def test_without_a_start_the_files_are_not_called_started(place: Place) -> None:
    target = place.folder / "restored"
    ended = place.restore(place.label(), target, "--no-start")
    assert ended.exit_code == 0, ended.json()["error"]
    server = MariadbBackup().restored_server(target, server="", on_wait=lambda: None)
    with server:
        assert server.remark.startswith(REMARK)
    assert_rolled_back(target)


def test_a_raw_restore_names_the_command(place: Place) -> None:
    target = place.folder / "restored"
    ended = place.restore(place.label(), target, "--raw")
    assert ended.exit_code == 0, ended.json()["error"]
    prepare_by_hand(target)
    said = place_detail()
    command = said[said.index("mariadbd --defaults-file") :]
    ran = subprocess.run(["bash", "-c", command], cwd=target.parent, capture_output=True, text=True)
    # With more than one transactional engine it ends like this, as docs/restore-by-hand.md says.
    assert not ran.returncode or "Please restart without" in ran.stderr, ran.stderr
    assert_rolled_back(target)


def place_detail() -> str:
    """Return what the newest job says of the files it handed over."""
    stage = JobStage.objects.filter(name="hand over").latest("id")
    return str(stage.detail)
