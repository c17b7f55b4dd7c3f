"""The main job: a busy MariaDB backed up, restored and proven, and what may go wrong with it."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import psutil
import pytest
from django.db import connection
from pytest_django import Settings

from backups.engines.mariadb_backup.restored import (
    server_options,
)
from backups.instances.grants import NEEDED
from backups.models import (
    Backup,
    BackupCopy,
    Evidence,
    EvidenceChain,
    EvidenceLink,
    Instance,
    Job,
    JobLogLine,
    JobStage,
    Repository,
)
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.runners.sandbox import sandbox_works
from backups.states import Operation
from tests.backups.conftest import make_repository
from tests.backups.taking import stored_files
from tests.commands import Ended, run_command
from tests.live.bank import TOTAL, Teller, open_bank, sum_of, unsound_tables
from tests.live.midway import Midway
from tests.live.restored_files import Users, prepare_by_hand
from tests.live.server import free_port, new_mariadb
from tests.live.sshd import private_sshd
from tests.settings import TEST_HOME

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

PASSWORD = "sh0w-me-n0where"
ROOT = Path(__file__).resolve().parents[2]
SLOW_BYTES_PER_S = 6 << 20


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    folder = tmp_path_factory.mktemp("bank") / "data"
    with serve(folder) as server:
        yield server


def serve(folder: Path) -> PrivateServer:
    """Make a server with a bank and a backup user, and start it: leave its context to stop it."""
    new_mariadb(folder)
    # A smaller redo log lifts the limit that keeps a copy going until a test has looked at it.
    options = {"innodb-log-file-size": "64M", "innodb-flush-log-at-trx-commit": "2"}
    settings = ServerOptions(port=free_port(), server_id=1, binlog=True, options=options)
    server = PrivateServer(folder, settings)
    server.start()
    with server.connect() as root, root.cursor() as cursor:
        open_bank(root)
        cursor.execute("CREATE USER bk@'127.0.0.1' IDENTIFIED BY %s", (PASSWORD,))
        cursor.execute(f"GRANT {', '.join(NEEDED)} ON *.* TO bk@'127.0.0.1'")
    return _Started(server)


class _Started(PrivateServer):
    """A server that is running already: its context only ends it."""

    def __init__(self, server: PrivateServer) -> None:
        self.__dict__.update(server.__dict__)

    def __enter__(self) -> PrivateServer:
        return self


@pytest.fixture
def main(tmp_path: Path, settings: Settings) -> Repository:
    settings.BACKUP_KEY_TEXT = ""
    settings.BACKUP_KEY_FILE = tmp_path / "backup.key"
    settings.SCRATCH_FOLDER = tmp_path / "scratch"
    assert run_command("createbackupkey").exit_code == 0
    return make_repository("main", tmp_path / "main")


def add_instance(server: PrivateServer, *words: str, name: str = "bank-1") -> Instance:
    file = Path(TEST_HOME) / "given-password"
    file.write_text(PASSWORD)
    try:
        port = str(server.settings.port)
        account = ["--port", port, "--user", "bk", "--password-file", str(file)]
        ended = run_command("addinstance", name, *account, *words)
        assert ended.exit_code == 0, ended.stderr
    finally:
        file.unlink()
    return Instance.objects.get(name=name)


@pytest.fixture
def instance(bank: PrivateServer, main: Repository) -> Instance:
    return add_instance(bank)


def take() -> Ended:
    return run_command("takebackup", "bank-1", "--foreground", "--json")


def taken() -> str:
    ended = take()
    assert ended.exit_code == 0, ended.stdout
    return str(ended.json()["label"])


def assert_sound(folder: Path) -> None:
    """A server on the restored folder has every table whole, and every coin."""
    options = server_options(folder)
    with PrivateServer(folder, ServerOptions(options=options)) as server, server.connect() as root:
        assert unsound_tables(root) == []
        assert sum_of(root) == TOTAL


class Watch:
    """Looks at the words and the environment of every process for a secret."""

    def __init__(self, secret: str) -> None:
        self._secret, self._over = secret.encode(), threading.Event()
        self.seen: set[str] = set()
        self.looked = 0
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                for file in (path, path.with_name("environ")):
                    try:
                        content = file.read_bytes()
                    except OSError:
                        continue
                    if self._secret in content:
                        self.seen.add(content.decode(errors="replace"))
            self.looked += 1


def test_a_busy_server_is_backed_up_restored_and_proven(
    bank: PrivateServer, instance: Instance, main: Repository, tmp_path: Path
) -> None:
    with Teller(bank.connect) as teller, Watch(PASSWORD) as watch:
        before = teller.moves
        ended = take()
        during = teller.moves - before
    assert ended.exit_code == 0, ended.stdout
    # The copy did not keep the writer from its work.
    assert during > 20
    fields = ended.json()
    label = fields["label"]
    assert 0 < fields["lock_time"] < 5
    stages = {stage["name"]: stage["status"] for stage in fields["stages"]}
    assert set(stages.values()) == {"succeeded"}
    assert {"connect", "preflight", "copy", "file copy", "backup lock", "register"} <= set(stages)

    assert_proved(label, tmp_path / "scratch")
    shown = run_command("showbackup", label, "--json").json()
    names = {table["name"] for table in shown["tables"] if table["schema"] == "bank"}
    assert {"accounts", "visits", "notes"} <= names
    assert "rich" in {view["name"] for view in shown["definitions"]}

    target = tmp_path / "restored"
    ended = run_command("restorebackup", label, "--to", str(target), "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    assert_sound(target)

    assert watch.looked > 5
    assert watch.seen == set()
    assert_password_is_nowhere(tmp_path)


def assert_proved(label: str, scratch: Path) -> None:
    """It can be verified and restore-tested, and both are on record."""
    assert run_command("verifybackup", label, "--foreground").exit_code == 0
    assert run_command("testrestore", label, "--foreground").exit_code == 0
    evidence = Evidence.objects.get(operation=Operation.RESTORE_TEST)
    tables = {(each["schema"], each["name"]): each for each in evidence.report["tables"]}
    assert tables["bank", "accounts"]["rows"] == 500
    assert {table["verdict"] for table in tables.values()} <= {"ok", "unknown"}
    assert evidence.recovery_time is not None
    # Checking the tables counts bytes of its own, which are none.
    assert evidence.job is not None
    assert evidence.job.bytes_done == evidence.copy.backup.raw_bytes
    assert list(scratch.iterdir()) == []
    (row,) = run_command("listbackups", "--json").json()["backups"]
    assert row["proof"] == "verified, restore-tested"


def assert_password_is_nowhere(*folders: Path) -> None:
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT * FROM {table}")
            for row in cursor.fetchall():
                assert PASSWORD not in str(row), table
    for folder in (Path(TEST_HOME), *folders):
        for path in folder.rglob("*"):
            # The restored server's own files are the instance's affair.
            if path.is_file() and "restored" not in path.parts:
                assert PASSWORD.encode() not in path.read_bytes(), path


def test_the_catalog_and_the_bytes_survive_the_loss_of_the_database(
    instance: Instance, main: Repository, tmp_path: Path, settings: Settings
) -> None:
    label = taken()
    for model in (EvidenceLink, EvidenceChain, Evidence, Job, BackupCopy, Backup, Instance):
        model.objects.all().delete()
    ended = run_command("rebuildcatalog", "main", "--json")
    assert ended.json()["added"] == [label]
    first = tmp_path / "restored"
    words = [label, "--to", str(first), "--foreground"]
    assert run_command("restorebackup", *words).exit_code == 0
    assert_sound(first)
    prepared = JobStage.objects.get(job__operation="restore", name="prepare")
    assert 0 < prepared.bytes_done == prepared.bytes_total

    second = tmp_path / "by-hand"
    script = [sys.executable, str(ROOT / "scripts" / "extract_backup.py"), main.path]
    key = ["--key-file", str(settings.BACKUP_KEY_FILE), "--to", str(second)]
    done = subprocess.run([*script, *key], capture_output=True, text=True, check=False, env={})
    assert done.returncode == 0, done.stderr
    prepare_by_hand(second)
    assert_sound(second)


def test_programs_have_no_rights_and_files_are_ours_in_the_end(
    instance: Instance, main: Repository, tmp_path: Path, settings: Settings
) -> None:
    """Where we are root, files are lent; nobody is on every system and has no rights."""
    settings.RUN_USER = "nobody"
    label, target = taken(), tmp_path / "restored"
    with Users("mariadb-backup", "mariadbd") as users:
        assert run_command("testrestore", label, "--foreground").exit_code == 0
        words = [label, "--to", str(target), "--foreground"]
        assert run_command("restorebackup", *words).exit_code == 0
    lent_to = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 and sandbox_works() else None
    assert users.seen == {os.geteuid() if lent_to is None else lent_to}
    owners = {path.lstat().st_uid for path in (target, *target.rglob("*"))}
    assert owners == {os.geteuid()}
    assert target.stat().st_mode & 0o777 == 0o700
    assert_sound(target)


def test_raw_files_are_restored_as_they_were_copied(
    instance: Instance, main: Repository, tmp_path: Path
) -> None:
    target = tmp_path / "restored"
    words = [taken(), "--to", str(target), "--raw", "--foreground", "--json"]
    ended = run_command("restorebackup", *words)
    stages = {stage["name"]: stage["status"] for stage in ended.json()["stages"]}
    assert (ended.exit_code, stages["prepare"]) == (0, "skipped")
    prepare_by_hand(target)
    assert_sound(target)


def test_a_wrong_password_is_reported_with_a_hint(instance: Instance, main: Repository) -> None:
    instance.set_password("Tr0ub4dor&3")
    instance.save()
    ended = take()
    assert ended.exit_code == 1
    fields = ended.json()
    assert fields["error"].startswith("connect failed: cannot connect to 127.0.0.1:")
    assert "access denied for user bk@" in fields["error"]
    assert "CREATE USER" in fields["hint"]
    assert "Tr0ub4dor" not in ended.stdout
    assert stored_files(main) == ["mooring.json"]


def test_a_missing_privilege_is_refused_with_the_grant(
    bank: PrivateServer, instance: Instance, main: Repository
) -> None:
    with bank.connect() as root, root.cursor() as cursor:
        cursor.execute("REVOKE RELOAD ON *.* FROM bk@'127.0.0.1'")
        try:
            ended = take()
        finally:
            cursor.execute("GRANT RELOAD ON *.* TO bk@'127.0.0.1'")
    assert ended.exit_code == 3
    assert ended.json()["error"].startswith("preflight refused: privileges: missing RELOAD")
    assert "GRANT RELOAD ON *.* TO" in ended.json()["hint"]


def test_a_server_that_is_killed_on_the_way(
    main: Repository, tmp_path: Path, settings: Settings
) -> None:
    settings.THROTTLE_BYTES_PER_S = SLOW_BYTES_PER_S
    with serve(tmp_path / "doomed") as server:
        add_instance(server)

        def kill() -> None:
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)

        with Midway(kill):
            ended = take()
    assert ended.exit_code == 1
    assert ended.json()["error"].startswith("copy failed: mariadb-backup ")
    assert stored_files(main) == ["mooring.json"]
    assert engines() == []


def test_a_cancelled_backup_leaves_no_process_no_lock_and_no_byte(
    bank: PrivateServer, instance: Instance, main: Repository, settings: Settings
) -> None:
    settings.THROTTLE_BYTES_PER_S = SLOW_BYTES_PER_S
    said: list[Ended] = []
    with Midway(lambda: said.append(run_command("canceljob", str(Job.objects.get().pk)))):
        ended = take()
    assert (ended.exit_code, ended.json()["status"], ended.json()["error"]) == (1, "cancelled", "")
    assert [line.exit_code for line in said] == [0]
    assert stored_files(main) == ["mooring.json"]
    assert engines() == []
    with bank.connect() as root, root.cursor() as cursor:
        cursor.execute("SET STATEMENT lock_wait_timeout=5 FOR ALTER TABLE bank.visits COMMENT='x'")
        cursor.execute("SELECT * FROM information_schema.processlist WHERE user = 'bk'")
        assert cursor.fetchall() == ()
    settings.THROTTLE_BYTES_PER_S = 0
    taken()


def test_over_ssh(bank: PrivateServer, main: Repository, tmp_path: Path) -> None:
    with private_sshd(tmp_path / "sshd") as host:
        way = ["--runner", "ssh", "--ssh-host", host.host, "--ssh-user", host.user]
        way += ["--ssh-port", str(host.port), "--ssh-identity-file", str(host.identity_file)]
        way += ["--ssh-known-hosts-file", str(host.known_hosts)]
        add_instance(bank, *way)
        with Teller(bank.connect), Watch(PASSWORD) as watch:
            label = taken()
    assert watch.seen == set()
    assert_password_is_nowhere(tmp_path)
    target = tmp_path / "restored"
    words = [label, "--to", str(target), "--foreground"]
    assert run_command("restorebackup", *words).exit_code == 0
    assert_sound(target)


def test_damage_on_disk_fails_the_restore_test(
    instance: Instance, main: Repository, tmp_path: Path
) -> None:
    label = taken()
    (pack,) = Path(main.path).rglob("*.pack")
    with pack.open("r+b") as file:
        file.seek(pack.stat().st_size // 2)
        byte = file.read(1)
        file.seek(-1, 1)
        file.write(bytes([byte[0] ^ 1]))
    ended = run_command("testrestore", label, "--foreground", "--json")
    assert ended.exit_code == 1
    assert ended.json()["error"].startswith("extract failed: ")
    assert not Evidence.objects.get().passed
    assert list((tmp_path / "scratch").iterdir()) == []


def engines() -> list[int]:
    found = [p for p in psutil.process_iter(["name"]) if p.info["name"] == "mariadb-backup"]
    mine = {child.pid for child in psutil.Process().children(recursive=True)}
    return [process.pid for process in found if process.pid in mine]


def test_the_log_of_the_tool_is_kept(instance: Instance, main: Repository) -> None:
    taken()
    said = JobLogLine.objects.filter(source="mariadb-backup")
    assert said.filter(text__contains="completed OK!").exists()
    assert json.loads(run_command("listbackups", "--json").stdout)["backups"]
