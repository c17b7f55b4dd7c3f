"""A MySQL that encrypts everything it can: its keys never lie open, and its rows come back."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from pytest_django import Settings

from backups.engines.clone.keyring import KEYRING_FILE
from backups.models import Backup, Evidence, Repository
from backups.states import Operation
from tests.backups.conftest import make_repository
from tests.backups.taking import stored_files
from tests.commands import run_command
from tests.live.clone_jobs import USER, add_instance, make_main, start_options, take, taken
from tests.live.keyring import files_with, give_keyring, keyring_folder, master_keys, plain_keys
from tests.live.mysql import ROOT, PrivateMysql

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

LOGS = {"innodb-redo-log-encrypt": "ON", "innodb-undo-log-encrypt": "ON"}
TABLES = (
    "CREATE DATABASE safe",
    "CREATE TABLE safe.secret (id INT PRIMARY KEY, note CHAR(200)) ENCRYPTION='Y'",
    "CREATE TABLESPACE shared ADD DATAFILE 'shared.ibd' ENCRYPTION='Y'",
    "CREATE TABLE safe.general (id INT PRIMARY KEY) TABLESPACE shared ENCRYPTION='Y'",
    "CREATE TABLE safe.small (id INT PRIMARY KEY) ENCRYPTION='Y'"
    " ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4",
    "CREATE TABLE safe.plain (id INT PRIMARY KEY)",
    "SET SESSION cte_max_recursion_depth = 20000",
    "INSERT INTO safe.secret WITH RECURSIVE n (i) AS"
    " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i, SHA2(i, 512) FROM n",
    *(f"INSERT INTO safe.{name} VALUES (1), (2)" for name in ("general", "small", "plain")),
    "ALTER TABLESPACE mysql ENCRYPTION='Y'",
)
WHOLE = "SELECT COUNT(*), SUM(CRC32(note)) FROM safe.secret WHERE id <= 19000"


class Churn:
    """Encrypted tables that come and go, and change their encryption. Use as a context."""

    def __init__(self, server: PrivateMysql) -> None:
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.errors: list[BaseException] = []
        self.rounds = 0

    def __enter__(self) -> Churn:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(60)

    def _run(self) -> None:
        try:
            self._server.execute("CREATE DATABASE IF NOT EXISTS churn")
            while not self._over.is_set():
                self._change(f"churn.t{self.rounds}")
                self.rounds += 1
        except BaseException as exc:
            self.errors.append(exc)

    def _change(self, name: str) -> None:
        self._server.execute(
            f"CREATE TABLE {name} (id INT PRIMARY KEY) ENCRYPTION='Y'",
            f"INSERT INTO {name} VALUES (1), (2), ({self.rounds + 3})",
            f"UPDATE safe.secret SET note = SHA2({self.rounds}, 512) WHERE id > 19000",
            *(["ALTER INSTANCE ROTATE INNODB MASTER KEY"] if self.rounds % 4 == 0 else []),
            *([f"ALTER TABLE {name} ENCRYPTION='N'"] if self.rounds % 4 == 1 else []),
            *([f"RENAME TABLE {name} TO {name}_moved"] if self.rounds % 4 == 2 else []),
            *([f"DROP TABLE {name}"] if self.rounds % 4 == 3 else []),
        )


@dataclass(frozen=True)
class Donor:
    """A server that encrypts, and its keyring."""

    server: PrivateMysql
    keyring: Path
    encrypts_logs: bool


# With its logs in the clear, the redo log has keys in it too, under the donor's master key.
@pytest.fixture(scope="module", params=["16k logs", "8k"])
def donor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Donor]:
    base = tmp_path_factory.mktemp("donor")
    page, _, logs = request.param.partition(" ")
    keyring = base / "keyring"
    folder = keyring_folder(base / "data", keyring, innodb_page_size=page)
    options = {"log-bin": "binlog", "innodb-page-size": page, **(LOGS if logs else {})}
    with PrivateMysql(folder, options) as server:
        server.execute(*USER, *TABLES)
        yield Donor(server, keyring, bool(logs))


@pytest.fixture
def main(tmp_path: Path, settings: Settings) -> Repository:
    settings.THROTTLE_BYTES_PER_S = 40 << 20
    return make_main(tmp_path, settings)


def checked(server: PrivateMysql) -> list[Any]:
    """Return what CHECK TABLE says against any table. Any: SQL's values."""
    tables = server.execute(
        "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables"
        " WHERE engine = 'InnoDB' AND table_type = 'BASE TABLE'"
    )
    assert len(tables) > 20
    rows = [row for (name,) in tables for row in server.execute(f"CHECK TABLE {name}")]
    return [row for row in rows if row[2:] != ("status", "OK")]


def short_tables(server: PrivateMysql) -> list[str]:
    """Return tables of the churn without all their rows: at most the one it was at."""
    names = server.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = 'churn'"
    )
    return [n for (n,) in names if len(server.execute(f"SELECT id FROM churn.{n}")) != 3]


def test_encrypted_files_come_back_under_a_key_of_the_backup(
    donor: Donor, main: Repository, tmp_path: Path, settings: Settings
) -> None:
    add_instance(donor.server, "--tls", "required")
    rows = donor.server.execute(WHOLE)
    with Churn(donor.server) as churn:
        label = taken()
    assert churn.errors == []
    assert churn.rounds > 3
    backup = Backup.objects.get()
    assert backup.facts["keyring_file"] == KEYRING_FILE
    # mysql, shared, secret, small; undo and redo; what DDL has made by then besides.
    assert int(backup.facts["encrypted_files"]) >= (7 if donor.encrypts_logs else 4)

    assert_pages_unknown(label)
    assert_restored_by_hand(donor, main, tmp_path / "by-hand", settings, rows)
    assert_restore_test_passes(label)
    assert_restored(donor, main, label, tmp_path / "restored", rows)


def assert_pages_unknown(label: str) -> None:
    """Nobody can check a page without its key: unknown, and neither damaged nor called whole."""
    ended = run_command("verifybackup", label, "--pages", "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    pages = Evidence.objects.get(operation=Operation.VERIFY).report["pages"]
    assert pages["damaged"] == 0
    assert pages["unknown"] > 100
    assert any("encrypted by the server" in line for line in pages["not_checked"])


# Any: SQL's values.
def assert_restored_by_hand(
    donor: Donor, main: Repository, by_hand: Path, settings: Settings, rows: list[Any]
) -> None:
    script = [sys.executable, str(ROOT / "scripts" / "extract_backup.py"), main.path]
    key = ["--key-file", str(settings.BACKUP_KEY_FILE), "--to", str(by_hand)]
    subprocess.run([*script, *key], check=True, env={})
    assert_hidden(donor, by_hand, main)
    # As docs/restore-by-hand.md has it.
    configuration = json.dumps({"path": str(by_hand / KEYRING_FILE), "read_only": False})
    give_keyring(by_hand, '{"components": "file://component_keyring_file"}', configuration)
    with PrivateMysql(by_hand, start_options(by_hand)) as restored:
        assert restored.execute(WHOLE) == rows


def assert_restore_test_passes(label: str) -> None:
    ended = run_command("testrestore", label, "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    report = Evidence.objects.get(operation=Operation.RESTORE_TEST).report
    tables = {f"{each['schema']}.{each['name']}": each for each in report["tables"]}
    assert {table["verdict"] for table in tables.values()} <= {"ok", "unknown"}
    assert tables["safe.secret"]["rows"] == 20000


# Any: SQL's values.
def assert_restored(
    donor: Donor, main: Repository, label: str, target: Path, rows: list[Any]
) -> None:
    ended = run_command("restorebackup", label, "--to", str(target), "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    needed = ended.json()["keyring"]
    assert needed["file"] == str(target / KEYRING_FILE)
    give_keyring(target, needed["manifest"], needed["configuration"])
    assert_hidden(donor, target, main)
    assert (target / KEYRING_FILE).stat().st_mode & 0o777 == 0o600
    # A second start and a third, the last under a master key of the server's own.
    for _ in range(2):
        with PrivateMysql(target, start_options(target)) as restored:
            assert restored.execute(WHOLE) == rows
            for name in ("general", "small", "plain"):
                assert restored.execute(f"SELECT id FROM safe.{name}") == [(1,), (2,)]
            assert checked(restored) == []
            assert restored.execute("SELECT COUNT(*) FROM safe.secret") == [(20000,)]
            assert len(short_tables(restored)) <= 1
            restored.execute(
                "CREATE TABLE IF NOT EXISTS safe.later (a INT) ENCRYPTION='Y'",
                "ALTER INSTANCE ROTATE INNODB MASTER KEY",
            )
            assert restored.log_errors() == []
            restored.stop()


def test_keys_go_into_no_repository_that_anybody_can_read(
    donor: Donor, main: Repository, tmp_path: Path
) -> None:
    add_instance(donor.server)
    readable = make_repository("open", tmp_path / "open", encrypted=False)
    ended = run_command("doctor", "bank-1", "--repository", "open", "--json")
    assert ended.exit_code == 3
    checks = {check["name"]: check for check in ended.json()["checks"]}
    assert "readable in open, which is not encrypted" in checks["server encryption"]["found"]
    ended = take("--repository", "open")
    assert ended.exit_code == 3
    assert "readable in open, which is not encrypted" in ended.json()["error"]
    assert "Use an encrypted repository" in ended.json()["hint"]

    # Where preflight may not see it, the copy itself does.
    with without_process(donor.server):
        ended = run_command("doctor", "bank-1", "--repository", "open", "--json")
        checks = {check["name"]: check for check in ended.json()["checks"]}
        if not donor.encrypts_logs:
            assert checks["server encryption"]["verdict"] == "unknown"
            ended = take("--repository", "open")
            assert ended.exit_code == 1
            assert "and the repository is not encrypted" in ended.json()["error"]
    assert stored_files(readable) == ["mooring.json"]


def test_keys_go_over_no_connection_that_anybody_can_read(donor: Donor, main: Repository) -> None:
    add_instance(donor.server, "--tls", "off")
    ended = take()
    assert ended.exit_code == 3
    assert "the connection does not use TLS" in ended.json()["error"]
    assert "Set the instance's TLS to required" in ended.json()["hint"]
    with without_process(donor.server):
        ended = take()
    if not donor.encrypts_logs:
        assert ended.exit_code == 1
        assert "error 3872" in ended.json()["error"]
        assert "Let the connection use TLS" in ended.json()["hint"]
    assert stored_files(main) == ["mooring.json"]


@contextmanager
def without_process(server: PrivateMysql) -> Iterator[None]:
    """Keep the account from seeing which tablespaces are encrypted."""
    server.execute("REVOKE PROCESS ON *.* FROM bk@'127.0.0.1'")
    try:
        yield
    finally:
        server.execute("GRANT PROCESS ON *.* TO bk@'127.0.0.1'")


def assert_hidden(donor: Donor, folder: Path, repository: Repository) -> None:
    """No key of a file lies open in these folders, and no master key but in the keyring."""
    keyring = folder / KEYRING_FILE
    ours, theirs = plain_keys(folder, keyring), plain_keys(donor.server.folder, donor.keyring)
    assert {path.relative_to(folder).as_posix() for path in ours} >= {
        *("mysql.ibd", "shared.ibd", "safe/secret.ibd", "safe/small.ibd"),
        *(("undo_001", "undo_002") if donor.encrypts_logs else ()),
    }
    # It really is the donor's key, under another master key.
    secret = "safe/secret.ibd"
    assert ours[folder / secret] == theirs[donor.server.folder / secret]
    needles = [part for key in {*ours.values(), *theirs.values()} for part in (key[:32], key[32:])]
    (master,) = master_keys(keyring).values()
    needles += [master.secret, master.secret.hex().encode()]
    assert files_with(folder, needles) == []
    needles.append(master.secret.hex().upper().encode())
    assert files_with(folder, needles) == [keyring]
    assert files_with(Path(repository.path), needles) == []
    assert master.server not in {server for server, _ in master_keys(donor.keyring)}


@pytest.mark.parametrize("donor", ["16k logs"], indirect=True)
def test_a_partial_backup_has_the_keys_of_its_tables(donor: Donor, main: Repository) -> None:
    add_instance(donor.server)
    ended = take("--kind", "partial", "--include", "safe.*", "--exclude", "safe.small")
    assert ended.exit_code == 0, ended.stdout
    label = ended.json()["label"]
    tested = run_command("testrestore", label, "--foreground", "--json")
    assert tested.exit_code == 0, tested.stdout
    report = Evidence.objects.get(operation=Operation.RESTORE_TEST).report
    rows = {table["name"]: table["rows"] for table in report["tables"] if table["schema"] == "safe"}
    assert rows == {"general": 2, "plain": 2, "secret": 20000}
