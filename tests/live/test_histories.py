"""Histories of the tools, read from a real server: one really written, two as documented."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils.timezone import now

from backups.exceptions import Refused
from backups.jobs.cancel import request_cancel
from backups.jobs.request import create_backup_job
from backups.models import Backup, Instance, Job, ObservedHistory, Repository
from backups.observed.read import READ_EVERY, due_histories, read_history
from tests.live.server import LiveServer

pytestmark = [pytest.mark.live, pytest.mark.django_db]

USER, PASSWORD = "watcher", "w4tch-p4ssword"
# As the manual of MySQL Enterprise Backup gives the one, and its reports name the columns of
# the other.
MEB_PROGRESS = """
    CREATE TABLE mysql.backup_progress (
        id INT AUTO_INCREMENT PRIMARY KEY, backup_id BIGINT NOT NULL,
        tool_name VARCHAR(4096) NOT NULL, error_code INT NOT NULL,
        error_message VARCHAR(4096) NOT NULL,
        `current_time` TIMESTAMP(3) NOT NULL, current_state VARCHAR(200) NOT NULL,
        KEY (backup_id))
"""
MEB_HISTORY = """
    CREATE TABLE mysql.backup_history (
        backup_id BIGINT NOT NULL PRIMARY KEY, tool_name VARCHAR(4096) NOT NULL,
        start_time TIMESTAMP NULL, end_time TIMESTAMP NULL, binlog_pos BIGINT,
        binlog_file VARCHAR(255), backup_type VARCHAR(50), backup_format VARCHAR(50),
        backup_destination VARCHAR(4096), start_lsn BIGINT, end_lsn BIGINT,
        lock_time DOUBLE(7,3), exit_state VARCHAR(10), last_error VARCHAR(4096),
        last_error_code INT, start_time_utc BIGINT, end_time_utc BIGINT)
"""
PERCONA_HISTORY = """
    CREATE TABLE PERCONA_SCHEMA.xtrabackup_history (
        uuid VARCHAR(40) NOT NULL PRIMARY KEY, name VARCHAR(255), tool_name VARCHAR(255),
        tool_command TEXT, tool_version VARCHAR(255), ibbackup_version VARCHAR(255),
        server_version VARCHAR(255), start_time TIMESTAMP NULL, end_time TIMESTAMP NULL,
        lock_time BIGINT UNSIGNED, binlog_pos TEXT, innodb_from_lsn BIGINT UNSIGNED,
        innodb_to_lsn BIGINT UNSIGNED, partial ENUM('Y','N'), incremental ENUM('Y','N'),
        format ENUM('file','tar','xbstream'), compressed ENUM('Y','N'), encrypted ENUM('Y','N'))
"""
BEGAN = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@pytest.fixture
def watched(mariadb: LiveServer) -> Iterator[Instance]:
    """An instance whose account may read nothing yet, on a server without any history."""
    mariadb.execute(f"CREATE OR REPLACE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'")
    instance = Instance(name="watched-1", socket=mariadb.socket, user=USER)
    instance.set_password(PASSWORD)
    instance.save()
    yield instance
    mariadb.execute(
        "DROP TABLE IF EXISTS mysql.backup_history, mysql.backup_progress, "
        "mysql.mariadb_backup_history",
        "DROP DATABASE IF EXISTS PERCONA_SCHEMA",
        f"DROP USER {USER}@'%'",
    )


def read(instance: Instance, tool: str, at: datetime | None = None) -> list[Job]:
    Instance.objects.filter(pk=instance.pk).update(history_tool=tool)
    instance.refresh_from_db()
    at = at or now()
    due_histories(at)
    return read_history(instance, at)


def history(instance: Instance) -> ObservedHistory:
    return ObservedHistory.objects.get(instance=instance)


def allow(mariadb: LiveServer, what: str) -> None:
    mariadb.execute(f"GRANT SELECT ON {what} TO {USER}@'%'")


def test_no_table_is_unknown(mariadb: LiveServer, watched: Instance) -> None:
    allow(mariadb, "*.*")
    for tool in ("mariadb_backup", "xtrabackup", "mysqlbackup"):
        assert read(watched, tool) == []
        assert history(watched).verdict == "unknown"


def test_an_unreadable_table_says_which_grant(mariadb: LiveServer, watched: Instance) -> None:
    mariadb.execute(MEB_HISTORY)
    read(watched, "mysqlbackup")
    found = history(watched)
    assert found.verdict == "refused"
    assert "GRANT SELECT ON mysql.backup_history TO `watcher`@`%`;" in found.hint
    statement = found.hint[found.hint.index("GRANT SELECT") :].partition(";")[0]
    mariadb.execute(statement)
    read(watched, "mysqlbackup")
    # Without the progress the history alone is not all there is: it is still refused.
    assert history(watched).verdict in {"read", "refused"}


def test_an_unreachable_instance_is_unknown(mariadb: LiveServer, watched: Instance) -> None:
    Instance.objects.filter(pk=watched.pk).update(socket="/run/nobody.sock")
    assert read(watched, "xtrabackup") == []
    assert "no such socket" in history(watched).detail


def test_a_real_run_of_mariadb_backup(
    mariadb: LiveServer, watched: Instance, tmp_path: Path
) -> None:
    allow(mariadb, "mysql.*")
    login = [f"--socket={mariadb.socket}", "--user=root", f"--datadir={mariadb.folder}"]
    for number in (1, 2):
        target = f"--target-dir={tmp_path / str(number)}"
        base = [f"--incremental-basedir={tmp_path / '1'}"] if number == 2 else []
        subprocess.run(
            ["mariadb-backup", "--backup", "--history=nightly", *login, target, *base],
            check=True,
            capture_output=True,
        )
    jobs = read(watched, "mariadb_backup")
    assert [job.status for job in jobs] == ["succeeded", "succeeded"]
    full, incremental = Backup.objects.order_by("to_lsn", "id")
    assert (full.kind, incremental.kind) == ("full", "incremental")
    assert full.origin == "observed"
    assert full.binlog_file
    assert full.to_lsn
    assert full.raw_bytes is None
    assert timedelta(0) <= now() - full.ended_at < timedelta(minutes=2)
    assert full.facts["name"] == "nightly"
    assert read(watched, "mariadb_backup") == []
    assert Job.objects.count() == 2


def test_rows_of_xtrabackup(mariadb: LiveServer, watched: Instance) -> None:
    mariadb.execute("CREATE DATABASE PERCONA_SCHEMA", PERCONA_HISTORY)
    allow(mariadb, "PERCONA_SCHEMA.*")
    mariadb.execute(
        "SET SESSION time_zone = '+00:00'",
        """INSERT INTO PERCONA_SCHEMA.xtrabackup_history VALUES
        ('u-1', 'weekly', 'xtrabackup', '--user=x --password=s3cret', '8.0.35', '', '8.0.36',
         '2026-03-02 01:00:00', '2026-03-02 01:20:00', 3,
         'filename ''b.000003'', position ''1234'', GTID of the last change ''u:1-5''',
         0, 4711, 'N', 'N', 'xbstream', 'Y', 'N'),
        ('u-2', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
         NULL, NULL, NULL, NULL, NULL)""",
    )
    [job] = read(watched, "xtrabackup")
    backup = Backup.objects.get()
    assert (job.started_at, job.ended_at) == (BEGAN, BEGAN + timedelta(minutes=20))
    assert (backup.lock_time, backup.gtid_executed) == (timedelta(seconds=3), "u:1-5")
    assert "s3cret" not in str(backup.facts)


def insert_progress(mariadb: LiveServer, backup_id: int, *states: str, error: int = 0) -> None:
    for minute, state in enumerate(states):
        mariadb.execute(
            "SET SESSION time_zone = '+00:00'",
            "INSERT INTO mysql.backup_progress (backup_id, tool_name, error_code, error_message, "
            "`current_time`, current_state) VALUES "
            f"({backup_id}, 'mysqlbackup --password=s3cret', {error}, 'disk full', "
            f"'2026-03-02 01:{minute:02}:00', '{state}')",
        )


def insert_history(mariadb: LiveServer, backup_id: int, exit_state: str, error: str = "") -> None:
    began = int(BEGAN.timestamp() * 1_000_000)
    mariadb.execute(
        "INSERT INTO mysql.backup_history VALUES "
        f"({backup_id}, 'mysqlbackup', NULL, NULL, -1, 'b.1', 'FULL', 'IMAGE', '/b', 1, 2, "
        f"0.062, '{exit_state}', '{error}', 28, {began}, {began + 600_000_000})"
    )


def meb_id(minute: int) -> int:
    """Identifiers of a run begin with the second of its start."""
    return (int(BEGAN.timestamp()) + 60 * minute) * 10_000_000 + 7


def test_runs_of_meb_that_succeed_fail_and_run_still(
    mariadb: LiveServer, watched: Instance
) -> None:
    mariadb.execute(MEB_HISTORY, MEB_PROGRESS)
    allow(mariadb, "mysql.*")
    insert_progress(mariadb, meb_id(0), "Connect", "Copy", "Done")
    insert_history(mariadb, meb_id(0), "SUCCESS")
    insert_progress(mariadb, meb_id(1), "Connect", "Copy", error=28)
    insert_history(mariadb, meb_id(1), "FAILURE", "disk full")
    insert_progress(mariadb, meb_id(2), "Connect")
    good, bad, going = sorted(
        read(watched, "mysqlbackup", BEGAN + timedelta(minutes=5)), key=lambda job: job.pk
    )
    assert [good.status, bad.status, going.status] == ["succeeded", "failed", "running"]
    assert bad.error == "disk full (error 28)"
    assert [stage.name for stage in good.stages.all()] == ["Connect", "Copy", "Done"]
    assert Backup.objects.get().binlog_position is None
    # It goes on, and then it ends.
    insert_progress(mariadb, meb_id(2), "Connect", "Copy")
    assert [job.pk for job in read(watched, "mysqlbackup", BEGAN + timedelta(hours=1))] == [
        going.pk
    ]
    insert_history(mariadb, meb_id(2), "SUCCESS")
    read(watched, "mysqlbackup", BEGAN + timedelta(hours=2))
    going.refresh_from_db()
    assert going.status == "succeeded"
    assert read(watched, "mysqlbackup", BEGAN + timedelta(hours=3)) == []


def test_a_run_that_falls_silent_is_lost(mariadb: LiveServer, watched: Instance) -> None:
    mariadb.execute(MEB_HISTORY, MEB_PROGRESS)
    allow(mariadb, "mysql.*")
    insert_progress(mariadb, meb_id(0), "Copy")
    [job] = read(watched, "mysqlbackup", BEGAN + timedelta(hours=24))
    assert job.status == "running"
    [job] = read(watched, "mysqlbackup", BEGAN + timedelta(hours=24, seconds=1))
    assert job.status == "lost"
    assert "no entry in the tool's history since 2026-03-02 01:00 UTC" in job.error


def test_a_run_of_others_is_not_ours_to_stop_and_keeps_ours_from_nothing(
    mariadb: LiveServer, watched: Instance, tmp_path: Path
) -> None:
    mariadb.execute(MEB_HISTORY, MEB_PROGRESS)
    allow(mariadb, "mysql.*")
    insert_progress(mariadb, meb_id(0), "Copy")
    [job] = read(watched, "mysqlbackup", BEGAN)
    with pytest.raises(Refused, match="was not started by Mooring"):
        request_cancel(job, actor="ada")
    Repository.objects.create(name="main", path=str(tmp_path))
    assert create_backup_job(watched, wake=False).origin == "managed"


def test_a_long_history_is_read_in_pieces(mariadb: LiveServer, watched: Instance) -> None:
    mariadb.execute(MEB_HISTORY, MEB_PROGRESS)
    allow(mariadb, "mysql.*")
    rows = ", ".join(
        f"({meb_id(minute)}, 'x', 'FULL', 'SUCCESS', {minute + 1}000000, {minute + 2}000000)"
        for minute in range(1100)
    )
    mariadb.execute(
        "INSERT INTO mysql.backup_history (backup_id, tool_name, backup_type, exit_state, "
        f"start_time_utc, end_time_utc) VALUES {rows}"
    )
    counts = [len(read(watched, "mysqlbackup", BEGAN)) for _ in range(4)]
    assert counts == [500, 500, 100, 0]


def test_one_tick_claims_a_history_and_the_next_waits(
    mariadb: LiveServer, watched: Instance
) -> None:
    Instance.objects.filter(pk=watched.pk).update(history_tool="xtrabackup")
    at = now()
    assert due_histories(at) == [watched.pk]
    assert due_histories(at) == []
    assert due_histories(at + READ_EVERY) == [watched.pk]
