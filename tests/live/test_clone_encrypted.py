"""A MySQL that encrypts everything it can: its keys never lie open, and its rows come back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from pytest_django import Settings

from backups.engines.clone.keyring import KEYRING_FILE
from backups.models import Backup, Evidence, Repository
from backups.states import Operation
from tests.backups.conftest import make_repository
from tests.backups.running import stored_files
from tests.commands import run_command
from tests.live.clone_jobs import USER, add_instance, make_main, start_options, take, taken
from tests.live.keyring import files_with, give_keyring, keyring_folder, master_keys, plain_keys
from tests.live.mysql import PrivateMysql

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

LOGS = {"innodb-redo-log-encrypt": "ON", "innodb-undo-log-encrypt": "ON"}
TABLES = (
    "CREATE DATABASE safe",
    "CREATE TABLE safe.secret (id INT PRIMARY KEY, note CHAR(200)) ENCRYPTION='Y'",
    "CREATE TABLESPACE shared ADD DATAFILE 'shared.ibd' ENCRYPTION='Y'",
    "CREATE TABLE safe.general (id INT PRIMARY KEY) TABLESPACE shared ENCRYPTION='Y'",
    "CREATE TABLE safe.small (id INT PRIMARY KEY) ENCRYPTION='Y'"
    " ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8",
    "CREATE TABLE safe.plain (id INT PRIMARY KEY)",
    "SET SESSION cte_max_recursion_depth = 20000",
    "INSERT INTO safe.secret WITH RECURSIVE n (i) AS"
    " (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i, SHA2(i, 512) FROM n",
    *(f"INSERT INTO safe.{name} VALUES (1), (2)" for name in ("general", "small", "plain")),
    "ALTER TABLESPACE mysql ENCRYPTION='Y'",
)
WHOLE = "SELECT COUNT(*), SUM(CRC32(note)) FROM safe.secret WHERE id <= 20000"


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
            *([f"ALTER TABLE {name} ENCRYPTION='N'"] if self.rounds % 4 == 1 else []),
            *([f"RENAME TABLE {name} TO {name}_moved"] if self.rounds % 4 == 2 else []),
            *([f"DROP TABLE {name}"] if self.rounds % 4 == 3 else []),
        )


@pytest.fixture(scope="module", params=["16k", "8k"])
def donor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrivateMysql]:
    base = tmp_path_factory.mktemp("donor")
    folder = keyring_folder(base / "data", base / "keyring", innodb_page_size=request.param)
    options = {**LOGS, "log-bin": "binlog", "innodb-page-size": request.param}
    with PrivateMysql(folder, options) as server:
        statements = [each.replace("BLOCK_SIZE=8", "BLOCK_SIZE=4") for each in TABLES]
        server.execute(*USER, *(TABLES if request.param == "16k" else statements))
        yield server


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


def test_encrypted_files_come_back_under_a_key_of_the_backup(
    donor: PrivateMysql, main: Repository, tmp_path: Path
) -> None:
    add_instance(donor, "--tls", "required")
    rows = donor.execute(WHOLE.replace("20000", "19000"))
    with Churn(donor) as churn:
        label = taken()
    assert churn.errors == []
    assert churn.rounds > 3
    backup = Backup.objects.get()
    assert backup.facts["keyring_file"] == KEYRING_FILE
    # mysql, two undo, two redo, shared, secret, small; what DDL has made by then besides.
    assert int(backup.facts["encrypted_files"]) >= 8

    raw = tmp_path / "raw"
    ended = run_command("restorebackup", label, "--to", str(raw), "--raw", "--foreground")
    assert ended.exit_code == 0, ended.stdout
    keyring = raw / KEYRING_FILE
    assert (keyring.stat().st_mode & 0o777, keyring.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert_hidden(donor, raw, main)

    ended = run_command("testrestore", label, "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    report = Evidence.objects.get(operation=Operation.RESTORE_TEST).report
    tables = {f"{each['schema']}.{each['name']}": each for each in report["tables"]}
    assert {each["verdict"] for each in tables.values()} <= {"ok", "unknown"}
    assert tables["safe.secret"]["rows"] == 20000

    target = tmp_path / "restored"
    ended = run_command("restorebackup", label, "--to", str(target), "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    needed = ended.json()["keyring"]
    assert needed["file"] == str(target / KEYRING_FILE)
    give_keyring(target, needed["manifest"], needed["configuration"])
    assert_hidden(donor, target, main)
    # A second start and a third, the last with a key that the server made itself.
    for _ in range(2):
        with PrivateMysql(target, start_options(target)) as restored:
            assert restored.execute(WHOLE.replace("20000", "19000")) == rows
            for name in ("general", "small", "plain"):
                assert restored.execute(f"SELECT id FROM safe.{name}") == [(1,), (2,)]
            assert checked(restored) == []
            assert restored.execute("SELECT COUNT(*) FROM safe.secret") == [(20000,)]
            restored.execute(
                "CREATE TABLE IF NOT EXISTS safe.later (a INT) ENCRYPTION='Y'",
                "ALTER INSTANCE ROTATE INNODB MASTER KEY",
            )
            assert restored.log_errors() == []


def assert_hidden(donor: PrivateMysql, folder: Path, repository: Repository) -> None:
    """No key of a file lies open in these folders, and no master key but in the keyring."""
    keyring = folder / KEYRING_FILE
    ours, theirs = plain_keys(folder, keyring), plain_keys(donor.folder, donor.folder.parent / "keyring")
    assert {path.relative_to(folder).as_posix() for path in ours} >= {
        *("mysql.ibd", "undo_001", "undo_002", "shared.ibd"),
        *("safe/secret.ibd", "safe/small.ibd"),
    }
    # It really is the donor's key, under another master key.
    assert ours[folder / "safe/secret.ibd"] == theirs[donor.folder / "safe/secret.ibd"]
    secrets = {*ours.values(), *theirs.values()}
    needles = [part for secret in secrets for part in (secret[:32], secret[32:])]
    (master,) = master_keys(keyring).values()
    needles += [master.secret, master.secret.hex().encode()]
    assert files_with(folder, needles) == []
    needles.append(master.secret.hex().upper().encode())
    assert files_with(folder, needles) == [keyring]
    assert files_with(Path(repository.path), needles) == []
    donors = [key.server for key in master_keys(donor.folder.parent / "keyring").values()]
    assert master.server not in donors
