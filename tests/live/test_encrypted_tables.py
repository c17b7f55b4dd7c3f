"""A MariaDB that encrypts its files with keys from a file: proved with them, unknown without."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import Evidence
from backups.programs.private_server import PrivateServer, ServerOptions, initialise
from backups.restores.option_file import OPTION_FILE
from backups.states import Operation
from tests.live.faults import REFUSED, Place, Told, assert_nothing_left, assert_told, make_place
from tests.live.mariadb_plugins import plugin_folder
from tests.live.server import LiveServer, free_port

pytestmark = pytest.mark.live

KEYS = "1;" + "a7" * 32 + "\n2;" + "3c" * 16 + "\n"
WRONG = "1;" + "a8" * 32 + "\n2;" + "3d" * 16 + "\n"
ENCRYPTING = {
    "innodb-encrypt-tables": "ON",
    "innodb-encrypt-log": "ON",
    "innodb-encryption-threads": "2",
    "aria-encrypt-tables": "ON",
    "encrypt-binlog": "ON",
    "encrypt-tmp-files": "ON",
}
TABLES = (
    "CREATE DATABASE safe",
    "USE safe",
    "CREATE TABLE secret (id INT PRIMARY KEY, note CHAR(64)) ENCRYPTED=YES",
    "INSERT INTO secret SELECT seq, MD5(seq) FROM seq_1_to_5000",
    "CREATE TABLE other (id INT PRIMARY KEY) ENCRYPTED=YES ENCRYPTION_KEY_ID=2",
    "CREATE TABLE small (id INT PRIMARY KEY) ENCRYPTED=YES ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4",
    "CREATE TABLE packed (id INT PRIMARY KEY) ENCRYPTED=YES PAGE_COMPRESSED=1",
    "CREATE TABLE aria (id INT PRIMARY KEY) ENGINE=Aria TRANSACTIONAL=1",
    *(f"INSERT INTO {name} VALUES (1), (2)" for name in ("other", "small", "packed", "aria")),
)
ROWS = {"secret": 5000, "other": 2, "small": 2, "packed": 2, "aria": 2}
HINT = r"MOORING_MARIADB_KEY_FILE, .* until then it is unknown whether the copy is sound\."
SUM = "SELECT COUNT(*), SUM(CRC32(note)) FROM safe.secret"


def encrypting(keys: Path, **more: str) -> dict[str, str]:
    return {
        "plugin-dir": str(plugin_folder()),
        "plugin-load-add": "file_key_management",
        "file-key-management-filename": str(keys),
        **ENCRYPTING,
        **more,
    }


def active_options(target: Path) -> dict[str, str]:
    """What a server reads of the option file in a restored folder."""
    argv = ["my_print_defaults", f"--defaults-file={target / OPTION_FILE}", "mysqld"]
    lines = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()
    pairs = (line.removeprefix("--").partition("=") for line in lines)
    return {name.replace("_", "-"): value for name, _, value in pairs}


@dataclass(frozen=True)
class Encrypted:
    """A server that encrypts, and the file of its keys."""

    server: LiveServer
    keys: Path


@pytest.fixture(scope="module", params=["aes_cbc", "aes_ctr"])
def encrypted(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Encrypted]:
    base, port = tmp_path_factory.mktemp("encrypted"), free_port()
    keys = base / "keys"
    keys.write_text(KEYS)
    algorithm = {"file-key-management-encryption-algorithm": request.param}
    options = encrypting(keys, **algorithm)
    initialise(base / "data", options)
    running = ServerOptions(port=port, binlog=True, server_id=1, options=options)
    with PrivateServer(base / "data", running) as server:
        live = LiveServer(server, "127.0.0.1", port)
        live.execute(*TABLES)
        yield Encrypted(live, keys)


@pytest.fixture
def place(
    encrypted: Encrypted, tmp_path: Path, settings: Settings, transactional_db: None
) -> Place:
    """A host that has the plugin, and names no keys yet."""
    settings.MARIADB_PLUGIN_FOLDER = str(plugin_folder())
    return make_place(encrypted.server, tmp_path, settings)


def test_with_the_keys_it_is_proved_and_restored(
    place: Place, encrypted: Encrypted, settings: Settings
) -> None:
    settings.MARIADB_KEY_FILE = str(encrypted.keys)
    label, expected = place.label(), encrypted.server.execute(SUM)
    verified = place.run("verifybackup", label, "--pages")
    assert verified.exit_code == 0, verified.json()["error"]
    tested = place.run("testrestore", label)
    assert tested.exit_code == 0, tested.json()["error"]
    report = Evidence.objects.get(operation=Operation.RESTORE_TEST).report
    rows = {each["name"]: each["rows"] for each in report["tables"] if each["schema"] == "safe"}
    assert rows == ROWS
    target = place.folder / "restored"
    assert place.restore(label, target).exit_code == 0
    # The keys stayed where they are.
    assert not any(path.name == encrypted.keys.name for path in target.rglob("*"))
    assert "a7a7" not in (target / OPTION_FILE).read_text()
    with (
        PrivateServer(target, ServerOptions(options=active_options(target))) as restored,
        restored.connect() as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(SUM)
        assert list(cursor.fetchall()) == expected
    assert_nothing_left(place, backups=1)


def test_without_the_keys_nothing_is_held_against_the_copy(place: Place) -> None:
    told = Told(REFUSED, "needs keys: .* this host names no file", HINT)
    assert_told(place.run("testrestore", place.label()), told)
    assert not Evidence.objects.filter(operation=Operation.RESTORE_TEST).exists()
    assert_nothing_left(place, backups=1)


@pytest.mark.parametrize("content", [WRONG, KEYS.splitlines()[0] + "\n"], ids=["wrong", "one"])
def test_wrong_keys_are_not_held_against_the_copy(
    place: Place, settings: Settings, content: str
) -> None:
    wrong = place.folder / "wrong-keys"
    wrong.write_text(content)
    settings.MARIADB_KEY_FILE = str(wrong)
    told = Told(REFUSED, rf"needs keys: .*{wrong}", HINT)
    assert_told(place.run("testrestore", place.label()), told)
    assert not Evidence.objects.filter(operation=Operation.RESTORE_TEST).exists()
    assert_nothing_left(place, backups=1)
