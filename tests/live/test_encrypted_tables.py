"""A MariaDB that encrypts its files with keys from a file: proved with them, unknown without."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import Evidence
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.restores.option_file import OPTION_FILE
from backups.states import Operation
from tests.backups.engines.key_files import seal
from tests.live.faults import (
    FAILED,
    REFUSED,
    Ending,
    Place,
    assert_ending,
    assert_nothing_left,
    make_place,
)
from tests.live.mariadb_plugins import plugin_folder
from tests.live.server import LiveServer, free_port, new_mariadb

pytestmark = pytest.mark.live

FIRST, SECOND, THIRD = f"1;{'a7' * 32}\n", f"2;{'3c' * 16}\n", f"3;{'5e' * 24}\n"
KEYS = FIRST + SECOND + THIRD
OTHER_FIRST, OTHER_SECOND = f"1;{'a8' * 32}\n", f"2;{'3d' * 16}\n"
PASSWORD = b"of the key file"
ENCRYPTING = {
    "innodb-encrypt-tables": "ON",
    "innodb-encrypt-log": "ON",
    "innodb-encryption-threads": "2",
    "aria-encrypt-tables": "ON",
    "encrypt-binlog": "ON",
    "encrypt-tmp-files": "ON",
}
# Old pages have nothing in common with new ones, and redo in the clear is no proof of a key.
OLD_PAGES = {**ENCRYPTING, "innodb-checksum-algorithm": "crc32", "innodb-encrypt-log": "OFF"}
COUNTER = {**ENCRYPTING, "file-key-management-encryption-algorithm": "aes_ctr"}
TABLES = (
    "CREATE DATABASE safe",
    "USE safe",
    "CREATE TABLE secret (id INT PRIMARY KEY, note CHAR(64)) ENCRYPTED=YES",
    "INSERT INTO secret SELECT seq, MD5(seq) FROM seq_1_to_5000",
    "CREATE TABLE other (id INT PRIMARY KEY) ENCRYPTED=YES ENCRYPTION_KEY_ID=2",
    "CREATE TABLE small (id INT PRIMARY KEY) ENCRYPTED=YES ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4",
    "CREATE TABLE packed (id INT PRIMARY KEY) ENCRYPTED=YES PAGE_COMPRESSED=1 ENCRYPTION_KEY_ID=3",
    "CREATE TABLE aria (id INT PRIMARY KEY) ENGINE=Aria TRANSACTIONAL=1",
    *(f"INSERT INTO {name} VALUES (1), (2)" for name in ("other", "small", "packed", "aria")),
)
ENCRYPTED = ("secret", "other", "small", "packed")
ROWS = {"secret": 5000, "other": 2, "small": 2, "packed": 2, "aria": 2}
HINT = r"MOORING_MARIADB_KEY_FILE, .* until then it is unknown whether the copy is sound\."
SUM = "SELECT COUNT(*), SUM(CRC32(note)) FROM safe.secret"


def active_options(target: Path) -> dict[str, str]:
    """What a server reads of the option file in a restored folder."""
    argv = ["my_print_defaults", f"--defaults-file={target / OPTION_FILE}", "mysqld"]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    pairs = (line.removeprefix("--").partition("=") for line in lines)
    return {name.replace("_", "-"): value for name, _, value in pairs}


@dataclass(frozen=True)
class Encrypted:
    """A server that encrypts, the file of its keys, and that of their password."""

    server: LiveServer
    keys: Path
    password: Path | None


@contextmanager
def encrypting(base: Path, options: Mapping[str, str], *, sealed: bool) -> Iterator[Encrypted]:
    """Run such a server. It was restarted: what was written is in its files, not in its redo."""
    keys, password, port = base / "keys", base / "password", free_port()
    keys.write_bytes(seal(KEYS, PASSWORD) if sealed else KEYS.encode())
    password.write_bytes(PASSWORD)
    options = {
        "plugin-dir": str(plugin_folder()),
        "plugin-load-add": "file_key_management",
        "file-key-management-filename": str(keys),
        **({"file-key-management-filekey": f"FILE:{password}"} if sealed else {}),
        **options,
    }
    new_mariadb(base / "data", options)
    running = ServerOptions(port=port, binlog=True, server_id=1, options=options)
    with PrivateServer(base / "data", running) as server:
        LiveServer(server, "127.0.0.1", port).execute(*TABLES)
        server.shut_down()
    with PrivateServer(base / "data", running) as server:
        live = LiveServer(server, "127.0.0.1", port)
        yield Encrypted(live, keys, password if sealed else None)


@pytest.fixture(scope="module", params=[ENCRYPTING, COUNTER, OLD_PAGES], ids=["cbc", "ctr", "old"])
def encrypted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Encrypted]:
    base, options = tmp_path_factory.mktemp("encrypted"), request.param
    with encrypting(base, options, sealed=options is COUNTER) as server:
        yield server


@pytest.fixture
def place(
    encrypted: Encrypted, tmp_path: Path, settings: Settings, transactional_db: None
) -> Place:
    """A host that has the plugin, and names no keys yet."""
    settings.MARIADB_PLUGIN_FOLDER = str(plugin_folder())
    return make_place(encrypted.server, tmp_path, settings)


def assert_unknown(place: Place, label: str, error: str, exit_code: int = FAILED) -> None:
    """Neither a fault nor a pass of the copy."""
    assert_ending(place.run("testrestore", label), Ending(exit_code, error, HINT))
    assert not Evidence.objects.filter(operation=Operation.RESTORE_TEST).exists()
    assert_nothing_left(place, backups=1)


def test_with_the_keys_it_is_proved_and_restored(
    place: Place, encrypted: Encrypted, settings: Settings
) -> None:
    settings.MARIADB_KEY_FILE = str(encrypted.keys)
    settings.MARIADB_KEY_FILE_PASSWORD = str(encrypted.password or "")
    label, expected = place.label(), encrypted.server.execute(SUM)
    verified = place.run("verifybackup", label, "--pages")
    assert verified.exit_code == 0, verified.json()["error"]
    tested = place.run("testrestore", label)
    assert tested.exit_code == 0, tested.json()["error"]
    report = Evidence.objects.get(operation=Operation.RESTORE_TEST).report
    rows = {table["name"]: table["rows"] for table in report["tables"] if table["schema"] == "safe"}
    assert rows == ROWS
    target = place.folder / "restored"
    assert place.restore(label, target).exit_code == 0
    # The keys stayed where they are.
    assert not any(path.name == encrypted.keys.name for path in target.rglob("*"))
    assert FIRST[2:20] not in (target / OPTION_FILE).read_text()
    with (
        PrivateServer(target, ServerOptions(options=active_options(target))) as restored,
        restored.connect() as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(SUM)
        assert list(cursor.fetchall()) == expected
    assert_nothing_left(place, backups=1)


def test_without_the_keys_nothing_is_held_against_the_copy(place: Place) -> None:
    needed = "check target refused: the backup needs keys: .* this host names no file"
    label = place.label()
    assert_unknown(place, label, needed, REFUSED)
    assert_ending(place.restore(label), Ending(REFUSED, needed, HINT))


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (FIRST + OTHER_SECOND + THIRD, r"key 2 in \S+ does not open safe/other\.ibd"),
        (FIRST + THIRD, r"safe/other\.ibd is encrypted with key 2, and \S+ has none"),
        (OTHER_FIRST + SECOND + THIRD, r"key 1 in \S+ does not open "),
        ("", r"is encrypted with key \d, and \S+ has none"),
    ],
    ids=["wrong", "missing", "main", "empty"],
)
def test_wrong_keys_are_not_held_against_the_copy(
    place: Place, settings: Settings, content: str, error: str
) -> None:
    wrong = place.folder / "wrong-keys"
    wrong.write_text(content)
    settings.MARIADB_KEY_FILE = str(wrong)
    assert_unknown(place, place.label(), f"prepare failed: the backup needs keys: .*{error}")


@pytest.mark.parametrize(
    ("option", "error"),
    [("innodb-encrypt-log", "InnoDB: "), ("aria-encrypt-tables", "Aria log apply")],
)
def test_where_no_page_proves_a_key_a_failure_is_not_held_against_the_copy(
    tmp_path: Path, settings: Settings, transactional_db: None, option: str, error: str
) -> None:
    with encrypting(tmp_path, {option: "ON"}, sealed=False) as encrypted:
        encrypted.server.execute(*(f"DROP TABLE safe.{name}" for name in ENCRYPTED))
        settings.MARIADB_PLUGIN_FOLDER = str(plugin_folder())
        place = make_place(encrypted.server, tmp_path, settings)
        label = place.label()
        wrong = tmp_path / "wrong-keys"
        wrong.write_text(OTHER_FIRST)
        settings.MARIADB_KEY_FILE = str(wrong)
        assert_unknown(place, label, f"could not be proved right, and mariadb-backup .*{error}")
        settings.MARIADB_KEY_FILE = str(encrypted.keys)
        assert place.run("testrestore", label).exit_code == 0
