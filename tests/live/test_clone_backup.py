"""A MySQL that is written to and changed all the time: cloned, restored and proven."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.engines.clone.restored import read_donor, server_options
from backups.models import Backup, Evidence, Instance, Repository
from backups.states import Operation
from tests.backups.conftest import make_repository
from tests.commands import Ended, run_command
from tests.live.mysql import PrivateMysql, program
from tests.live.mysql_load import TOTAL, Load, prepare
from tests.settings import TEST_HOME

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "cl0ne-me-n0where"
# Slow enough that pages change while their files are copied.
SLOW_BYTES_PER_S = 40 << 20


@pytest.fixture(scope="module")
def donor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateMysql]:
    folder = tmp_path_factory.mktemp("donor") / "data"
    with PrivateMysql(folder, {"log-bin": "binlog", "sync-binlog": "0"}) as server:
        server.execute(
            "INSTALL PLUGIN clone SONAME 'mysql_clone.so'",
            f"CREATE USER bk@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
            "GRANT BACKUP_ADMIN ON *.* TO bk@'127.0.0.1'",
            "GRANT PROCESS, REFERENCES ON *.* TO bk@'127.0.0.1'",
        )
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
    return len(paths)


def start_options(folder: Path) -> dict[str, str]:
    return server_options(read_donor(folder))


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
