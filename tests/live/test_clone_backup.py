"""A MySQL that is written to and changed all the time: cloned, restored and proven."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import (
    Backup,
    BackupCopy,
    Evidence,
    EvidenceChain,
    EvidenceLink,
    Instance,
    Job,
    Repository,
)
from backups.states import Operation
from tests.backups.taking import stored_files
from tests.commands import run_command
from tests.live.clone_jobs import (
    USER,
    add_instance,
    check_pages,
    clones,
    count,
    damaged_tables,
    executed,
    log_rows,
    make_main,
    start_options,
    take,
    taken,
)
from tests.live.midway import Midway
from tests.live.mysql import PrivateMysql
from tests.live.mysql_load import TOTAL, Load, prepare

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
# Slow enough that pages change while their files are copied.
SLOW_BYTES_PER_S = 40 << 20


@pytest.fixture(scope="module")
def donor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateMysql]:
    folder = tmp_path_factory.mktemp("donor") / "data"
    with PrivateMysql(folder, {"log-bin": "binlog", "sync-binlog": "0"}) as server:
        server.execute(*USER)
        prepare(server)
        yield server


@pytest.fixture
def main(tmp_path: Path, settings: Settings) -> Repository:
    settings.THROTTLE_BYTES_PER_S = SLOW_BYTES_PER_S
    return make_main(tmp_path, settings)


@pytest.fixture
def instance(donor: PrivateMysql, main: Repository) -> Instance:
    return add_instance(donor)


def assert_sound(folder: Path) -> None:
    """A server without any special option has every coin."""
    with PrivateMysql(folder, start_options(folder)) as restored:
        assert restored.execute("SELECT SUM(amount) FROM bank.account") == [(TOTAL,)]
        assert restored.log_errors() == []


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_busy_mysql_is_backed_up_restored_and_proven(
    donor: PrivateMysql, instance: Instance, tmp_path: Path, settings: Settings, threads: int
) -> None:
    settings.COPY_THREADS = threads
    assert instance.engine == "clone"
    others = count(executed(donor)) - log_rows(donor)
    with Load(donor) as load:
        time.sleep(1)
        ended = take()
    assert load.errors == []
    assert ended.exit_code == 0, ended.stdout
    assert_stages(ended.json()["stages"], threads)
    backup = Backup.objects.get()
    assert backup.lock_time == timedelta(0)
    assert backup.to_lsn and backup.server_version.startswith("9.")
    assert (backup.binlog_file, backup.gtid_executed) == ("", "")
    assert_every_page_is_sound(backup.label, tmp_path / "raw")
    logged = assert_restore_test_passes(backup.label)
    assert_position(backup, others + logged)
    target = tmp_path / "restored"
    words = [backup.label, "--to", str(target), "--foreground", "--json"]
    ended = run_command("restorebackup", *words)
    assert ended.exit_code == 0, ended.stdout
    with PrivateMysql(target, start_options(target)) as restored:
        assert damaged_tables(restored) == []
        assert restored.execute("SELECT SUM(amount) FROM bank.account") == [(TOTAL,)]
        assert log_rows(restored) == logged
        assert executed(restored) == backup.gtid_executed
        assert restored.log_errors() == []


def assert_stages(rows: list[dict[str, str]], threads: int) -> None:
    stages = {stage["name"]: stage for stage in rows}
    assert {stage["status"] for stage in rows} == {"succeeded"}
    assert list(stages)[2:8] == ["copy", "init", "file copy", "page copy", "redo copy", "finish"]
    assert not stages["page copy"]["detail"].startswith("0 pages"), stages["page copy"]
    assert stages["finish"]["detail"].split()[0] == str(threads)


def assert_every_page_is_sound(label: str, raw: Path) -> None:
    assert run_command("verifybackup", label, "--pages", "--foreground").exit_code == 0
    words = [label, "--to", str(raw), "--foreground"]
    assert run_command("restorebackup", *words, "--raw").exit_code == 0
    # System, undo and dictionary, and the bank's two tables; what DDL has made by then besides.
    assert check_pages(raw) >= 7


def assert_restore_test_passes(label: str) -> int:
    """Return the rows of the log of transactions."""
    ended = run_command("testrestore", label, "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    evidence = Evidence.objects.get(operation=Operation.RESTORE_TEST)
    tables = {(each["schema"], each["name"]): each for each in evidence.report["tables"]}
    assert {table["verdict"] for table in tables.values()} <= {"ok", "unknown"}
    assert tables["bank", "account"]["rows"] == 500
    return int(str(tables["bank", "log"]["rows"]))


def assert_position(backup: Backup, transactions: int) -> None:
    """Every transaction is in the log, and the log in the position that recovery found."""
    backup.refresh_from_db()
    assert backup.binlog_file.startswith("binlog.")
    assert count(backup.gtid_executed) == transactions
    lowest = backup.facts["gtid_executed_before"]
    assert count(lowest) <= count(backup.gtid_executed)
    assert count(backup.gtid_executed) <= count(backup.facts["gtid_executed_after"])


def test_the_catalog_and_the_bytes_survive_the_loss_of_the_database(
    donor: PrivateMysql, instance: Instance, main: Repository, tmp_path: Path, settings: Settings
) -> None:
    settings.THROTTLE_BYTES_PER_S = 0
    label = taken()
    for model in (EvidenceLink, EvidenceChain, Evidence, Job, BackupCopy, Backup, Instance):
        model.objects.all().delete()
    assert run_command("rebuildcatalog", "main", "--json").json()["added"] == [label]
    assert (Instance.objects.get().engine, Backup.objects.get().engine) == ("clone", "clone")
    first = tmp_path / "restored"
    ended = run_command("restorebackup", label, "--to", str(first), "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    assert "SOURCE_AUTO_POSITION=1" in ended.json()["replication_statement"]
    assert_sound(first)

    second = tmp_path / "by-hand"
    script = [sys.executable, str(ROOT / "scripts" / "extract_backup.py"), main.path]
    key = ["--key-file", str(settings.BACKUP_KEY_FILE), "--to", str(second)]
    done = subprocess.run([*script, *key], capture_output=True, text=True, check=False, env={})
    assert done.returncode == 0, done.stderr
    check_pages(second)
    # No preparation: the server's first start recovers the copy.
    assert_sound(second)


def test_a_restored_server_follows_the_one_it_was_copied_from(
    donor: PrivateMysql, instance: Instance, tmp_path: Path, settings: Settings
) -> None:
    settings.THROTTLE_BYTES_PER_S = 0
    donor.execute(
        "CREATE USER IF NOT EXISTS repl@'127.0.0.1' IDENTIFIED BY 'secret'",
        "GRANT REPLICATION SLAVE ON *.* TO repl@'127.0.0.1'",
    )
    with Load(donor, ddl=False):
        label = taken()
    target = tmp_path / "restored"
    ended = run_command("restorebackup", label, "--to", str(target), "--foreground", "--json")
    statement = str(ended.json()["replication_statement"])
    filled = statement.replace("USER='...'", "USER='repl'").replace("D='...'", "D='secret'")
    with PrivateMysql(target, start_options(target)) as replica:
        replica.execute(filled, "START REPLICA")
        gtids = executed(donor)
        caught_up = replica.execute(f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{gtids}', 60)")
        assert caught_up == [(0,)], replica.log_errors()
        assert log_rows(replica) == log_rows(donor)
        assert replica.execute("SELECT SUM(amount) FROM bank.account") == [(TOTAL,)]
        replica.execute("STOP REPLICA")


def test_a_missing_privilege_is_refused_with_the_grant(
    donor: PrivateMysql, instance: Instance, main: Repository
) -> None:
    donor.execute("REVOKE BACKUP_ADMIN ON *.* FROM bk@'127.0.0.1'")
    try:
        ended = take()
    finally:
        donor.execute("GRANT BACKUP_ADMIN ON *.* TO bk@'127.0.0.1'")
    assert ended.exit_code == 3
    assert ended.json()["error"].startswith(
        "preflight refused: privileges: missing BACKUP_ADMIN (takes a clone)"
    )
    assert "GRANT BACKUP_ADMIN ON *.* TO `bk`@`127.0.0.1`;" in ended.json()["hint"]
    assert stored_files(main) == ["mooring.json"]


def test_an_absent_plugin_is_refused_with_the_statement(
    donor: PrivateMysql, instance: Instance, main: Repository
) -> None:
    donor.execute("UNINSTALL PLUGIN clone")
    try:
        ended = take()
    finally:
        donor.execute("INSTALL PLUGIN clone SONAME 'mysql_clone.so'")
    assert ended.exit_code == 3
    assert ended.json()["error"] == "preflight refused: clone plugin: it is not installed"
    assert "INSTALL PLUGIN clone SONAME 'mysql_clone.so';" in ended.json()["hint"]


def test_what_is_not_in_the_backup_is_named(donor: PrivateMysql, instance: Instance) -> None:
    donor.execute("CREATE TABLE bank.old (a INT) ENGINE=MyISAM", "INSERT INTO bank.old VALUES (1)")
    try:
        ended = run_command("doctor", "bank-1", "--json")
    finally:
        donor.execute("DROP TABLE bank.old")
    assert ended.exit_code == 0, ended.stdout
    checks = {check["name"]: check for check in ended.json()["checks"]}
    assert checks["other engines"]["verdict"] == "warning"
    assert "bank.old (MyISAM, " in checks["other engines"]["found"]
    assert "tool" not in checks
    assert ended.json()["raw_bytes"] > 50 << 20


def test_a_cancelled_backup_leaves_no_clone_and_no_byte(
    donor: PrivateMysql, instance: Instance, main: Repository, settings: Settings
) -> None:
    settings.THROTTLE_BYTES_PER_S = 6 << 20
    with Midway(lambda: run_command("canceljob", str(Job.objects.get().pk))):
        ended = take()
    assert (ended.exit_code, ended.json()["status"], ended.json()["error"]) == (1, "cancelled", "")
    assert stored_files(main) == ["mooring.json"]
    wait_for(lambda: clones(donor) == 0)
    settings.THROTTLE_BYTES_PER_S = 0
    taken()


def wait_for(holds: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come to be"
        time.sleep(0.05)
