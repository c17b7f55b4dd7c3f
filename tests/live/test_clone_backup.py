"""A MySQL that is written to and changed all the time: cloned, restored and proven."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.engines.clone.restored import read_donor, server_options
from backups.innodb.pages import is_whole, page_size_of
from backups.models import Backup, BackupCopy, Evidence, Instance, Job, Repository
from backups.states import Operation
from scripts.state_folder import prepare_folder
from tests.backups.conftest import make_repository
from tests.backups.running import stored_files
from tests.commands import Ended, run_command
from tests.live.mysql import PrivateMysql, program
from tests.live.mysql_load import TOTAL, Load, prepare
from tests.settings import TEST_HOME

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "cl0ne-me-n0where"
USER = (
    "INSTALL PLUGIN clone SONAME 'mysql_clone.so'",
    f"CREATE USER bk@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
    "GRANT BACKUP_ADMIN ON *.* TO bk@'127.0.0.1'",
    "GRANT PROCESS, REFERENCES ON *.* TO bk@'127.0.0.1'",
)
SCHEMA_ELSEWHERE = """CREATE DATABASE shop;
CREATE TABLE shop.elsewhere (a INT) DATA DIRECTORY '{outside}';
CREATE TABLESPACE general ADD DATAFILE '{outside}/general.ibd';
CREATE TABLE shop.shared (a INT) TABLESPACE general;
CREATE TABLE shop.squeezed (a INT) COMPRESSION='zlib';
CREATE TABLE shop.`na``me'" ü` (a INT);
INSERT INTO shop.elsewhere VALUES (7);
INSERT INTO shop.shared VALUES (7);
INSERT INTO shop.squeezed VALUES (7);
INSERT INTO shop.`na``me'" ü` VALUES (7)"""
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
    settings.BACKUP_KEY_TEXT = ""
    settings.BACKUP_KEY_FILE = tmp_path / "backup.key"
    settings.SCRATCH_FOLDER = tmp_path / "scratch"
    settings.MYSQLD = program("mysqld")
    settings.THROTTLE_BYTES_PER_S = SLOW_BYTES_PER_S
    assert run_command("createbackupkey").exit_code == 0
    return make_repository("main", tmp_path / "main")


@pytest.fixture
def instance(donor: PrivateMysql, main: Repository) -> Instance:
    return add_instance(donor)


def add_instance(server: PrivateMysql, *words: str) -> Instance:
    file = Path(TEST_HOME) / "given-password"
    file.write_text(PASSWORD)
    account = ["--port", str(server.port), "--user", "bk", "--password-file", str(file)]
    ended = run_command("addinstance", "bank-1", *account, *words)
    file.unlink()
    assert ended.exit_code == 0, ended.stderr
    return Instance.objects.get(name="bank-1")


def take() -> Ended:
    return run_command("takebackup", "bank-1", "--foreground", "--json")


def taken() -> str:
    ended = take()
    assert ended.exit_code == 0, ended.stdout
    return str(ended.json()["label"])


def count(gtids: str) -> int:
    """Return how many transactions are in a GTID set of one server."""
    total = 0
    for interval in gtids.replace("\n", "").split(":")[1:]:
        first, _, last = interval.partition("-")
        total += int(last or first) - int(first) + 1
    return total


def executed(server: PrivateMysql) -> str:
    return str(server.execute("SELECT @@GLOBAL.gtid_executed")[0][0]).replace("\n", "")


def log_rows(server: PrivateMysql) -> int:
    return int(server.execute("SELECT COUNT(*) FROM bank.log")[0][0])


def check_pages(folder: Path) -> int:
    """Have the server's own tool verify every page before a server touches them."""
    paths = [*folder.rglob("*.ibd"), *folder.glob("ibdata*"), *folder.glob("undo_*")]
    for path in paths:
        argv = [program("innochecksum"), str(path)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{path}: {done.stderr}"
        assert torn_pages(path) == [], path
    return len(paths)


def torn_pages(path: Path) -> list[int]:
    """Return the pages our own reader calls damaged."""
    content = path.read_bytes()
    size = page_size_of(int.from_bytes(content[54:58], "big"))
    pages = [content[at : at + size.physical] for at in range(0, len(content), size.physical)]
    return [n for n, page in enumerate(pages) if not is_whole(page, compressed=size.compressed)]


def start_options(folder: Path) -> dict[str, str]:
    return server_options(read_donor(folder))


def assert_sound(folder: Path) -> None:
    """A server that was told nothing special has every coin."""
    with PrivateMysql(folder, start_options(folder)) as restored:
        assert restored.execute("SELECT SUM(amount) FROM bank.account") == [(TOTAL,)]
        assert restored.log_errors() == []


@pytest.mark.parametrize("threads", [1, 4])
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
    stages = {stage["name"]: stage for stage in ended.json()["stages"]}
    assert {stage["status"] for stage in stages.values()} == {"succeeded"}
    assert list(stages)[2:8] == ["copy", "init", "file copy", "page copy", "redo copy", "finish"]
    assert not stages["page copy"]["detail"].startswith("0 pages"), stages["page copy"]
    assert stages["finish"]["detail"] == f"{threads} connections for data"
    backup = Backup.objects.get()
    assert backup.lock_time == timedelta(0)
    assert backup.to_lsn and backup.server_version.startswith("9.")
    assert (backup.binlog_file, backup.gtid_executed) == ("", "")
    label = backup.label

    assert run_command("verifybackup", label, "--foreground").exit_code == 0
    raw = tmp_path / "raw"
    words = [label, "--to", str(raw), "--foreground"]
    assert run_command("restorebackup", *words, "--raw").exit_code == 0
    assert check_pages(raw) > 10

    ended = run_command("testrestore", label, "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    evidence = Evidence.objects.get(operation=Operation.RESTORE_TEST)
    tables = {(each["schema"], each["name"]): each for each in evidence.report["tables"]}
    assert {each["verdict"] for each in tables.values()} <= {"ok", "unknown"}
    assert tables["bank", "account"]["rows"] == 500
    backup.refresh_from_db()
    assert backup.binlog_file.startswith("binlog.")
    # Every transaction is in the log, and the log in the position that recovery tells.
    logged = int(str(tables["bank", "log"]["rows"]))
    assert count(backup.gtid_executed) == others + logged
    lowest = backup.facts["gtid_executed_before"]
    assert count(lowest) <= count(backup.gtid_executed)
    assert count(backup.gtid_executed) <= count(backup.facts["gtid_executed_after"])

    target = tmp_path / "restored"
    ended = run_command("restorebackup", label, "--to", str(target), "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    with PrivateMysql(target, start_options(target)) as restored:
        assert restored.execute("SELECT SUM(amount) FROM bank.account") == [(TOTAL,)]
        assert log_rows(restored) == logged
        assert executed(restored) == backup.gtid_executed
        assert restored.log_errors() == []


def test_the_catalog_and_the_bytes_survive_the_loss_of_the_database(
    donor: PrivateMysql, instance: Instance, main: Repository, tmp_path: Path, settings: Settings
) -> None:
    settings.THROTTLE_BYTES_PER_S = 0
    label = taken()
    for model in (Evidence, Job, BackupCopy, Backup, Instance):
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


def test_tables_outside_the_data_directory_come_below_it(
    tmp_path: Path, main: Repository, settings: Settings
) -> None:
    outside = tmp_path / "out side"
    outside.mkdir()
    settings.THROTTLE_BYTES_PER_S = 0
    with PrivateMysql(tmp_path / "data", {"innodb-directories": str(outside)}) as server:
        server.execute(*USER, *SCHEMA_ELSEWHERE.format(outside=outside).split(";"))
        add_instance(server)
        label = taken()
    backup = Backup.objects.get()
    placed = {there: here for here, there in json.loads(backup.facts["external_files"]).items()}
    assert placed.keys() == {f"{outside}/general.ibd", f"{outside}/shop/elsewhere.ibd"}
    for path in outside.rglob("*.ibd"):
        path.unlink()
    target = tmp_path / "restored"
    ended = run_command("restorebackup", label, "--to", str(target), "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    assert list(outside.rglob("*.ibd")) == []
    with PrivateMysql(target, start_options(target)) as restored:
        for table in ("elsewhere", "shared", "squeezed", "na``me'\" ü"):
            assert restored.execute(f"SELECT * FROM shop.`{table}`") == [(7,)]
            (checked,) = restored.execute(f"CHECK TABLE shop.`{table}`")
            assert checked[2:] == ("status", "OK")
        assert restored.log_errors() == []


def test_keys_of_encrypted_tables_are_kept_sealed_or_not_at_all(
    tmp_path: Path, main: Repository, settings: Settings
) -> None:
    settings.THROTTLE_BYTES_PER_S = 0
    make_repository("bare", tmp_path / "bare", encrypted=False)
    with PrivateMysql(keyring_folder(tmp_path / "data", tmp_path / "keyring")) as server:
        server.execute(*USER, "CREATE DATABASE safe")
        server.execute("CREATE TABLE safe.secret (a INT) ENCRYPTION='Y'")
        instance = add_instance(server)
        into = ["takebackup", "bank-1", "--foreground", "--json", "--repository"]
        bare = run_command(*into, "bare")
        assert bare.exit_code == 3
        assert "1 tablespaces are encrypted by the server" in bare.json()["error"]
        assert "bare is not encrypted" in bare.json()["error"]
        Instance.objects.filter(pk=instance.pk).update(tls="off")
        assert "the connection has no TLS" in run_command(*into, "main").json()["error"]
        Instance.objects.filter(pk=instance.pk).update(tls="required")
        sealed = run_command(*into, "main")
        assert sealed.exit_code == 0, sealed.stdout
    label = sealed.json()["label"]
    words = [label, "--to", str(tmp_path / "restored"), "--foreground", "--json"]
    ended = run_command("restorebackup", *words)
    assert ended.exit_code == 3
    assert "1 files of this backup are encrypted by the server" in ended.json()["error"]
    assert not (tmp_path / "restored").exists()


def keyring_folder(folder: Path, keyring: Path) -> Path:
    """Make a data folder whose server keeps its keys in a file beside it."""
    PrivateMysql(folder).initialise()
    (folder / "mysqld.my").write_text('{"components": "file://component_keyring_file"}')
    keys = json.dumps({"path": str(keyring), "read_only": False})
    (folder / "component_keyring_file.cnf").write_text(keys)
    return folder


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


def test_a_killed_worker_keeps_nobody_from_the_next_backup(
    donor: PrivateMysql, instance: Instance, tmp_path: Path, settings: Settings
) -> None:
    home = tmp_path / "home"
    prepare_folder(home)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "monitor.settings",
        "MOORING_HOME": str(home),
        "MOORING_THROTTLE_BYTES_PER_S": "9000000",
    }
    for name in ("MOORING_SECRET_KEY", "MOORING_DJANGO_KEY", "DATABASE_URL"):
        environment.pop(name, None)

    def manage(*words: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "manage.py", *words]
        return subprocess.Popen(
            argv, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )

    account = ["--port", str(donor.port), "--user", "bk", "--password-file", "-"]
    for words, said in (
        (["migrate"], ""),
        (["createbackupkey"], ""),
        (["addrepository", "own", "--path", str(tmp_path / "own")], ""),
        (["addinstance", "bank-1", *account], PASSWORD),
    ):
        command = manage(*words)
        command.communicate(said.encode())
        assert command.returncode == 0, words
    worker = manage("takebackup", "bank-1", "--foreground")
    wait_for(lambda: any(path.stat().st_size for path in tmp_path.rglob("*.part")))
    assert clones(donor) > 0
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    # The donor waits for the one that is gone, and gives it up for the next that asks.
    wait_for(lambda: clones(donor) <= 1)
    settings.THROTTLE_BYTES_PER_S = 0
    assert take().exit_code == 0
    wait_for(lambda: clones(donor) == 0)


def clones(server: PrivateMysql) -> int:
    sql = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND = 'clone'"
    return int(server.execute(sql)[0][0])


def wait_for(holds: Callable[[], bool], seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come to be"
        time.sleep(0.05)
