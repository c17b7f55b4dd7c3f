"""Doctor against a real MariaDB: a sound instance, and one thing wrong at a time."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.access import runner_of
from backups.archive.keys import create_key_file
from backups.checks import Verdict
from backups.exceptions import InstanceUnreachable
from backups.instances.connection import connect, login_of
from backups.instances.facts import probe
from backups.instances.grants import NEEDED
from backups.logins.session import NO_LIMIT
from backups.models import Instance
from backups.preflight.checks import check_data_folder, run_checks
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.runners.base import Completed
from backups.runners.local import LocalRunner
from tests.commands import Ended, run_command
from tests.live.server import new_mariadb

pytestmark = [pytest.mark.live, pytest.mark.django_db]

PASSWORD = "p4ss w'ord"
TABLES = [
    "CREATE DATABASE shop",
    # Sequence tables live in whatever schema is the current one.
    "USE shop",
    "CREATE TABLE shop.orders (id INT PRIMARY KEY, note VARCHAR(200))",
    "INSERT INTO shop.orders SELECT seq, REPEAT('x', 200) FROM seq_1_to_50000",
    "CREATE TABLE shop.old (id INT, note VARCHAR(200)) ENGINE=MyISAM",
    "INSERT INTO shop.old SELECT seq, REPEAT('x', 200) FROM seq_1_to_20000",
    "CREATE TABLE shop.parts (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3",
]


class NobodyRunner(LocalRunner):
    """Runs commands as a user that may read next to nothing."""

    def run(self, argv: Sequence[str], *, timeout_seconds: float = 30) -> Completed:
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
        return super().run([*nobody, *argv], timeout_seconds=timeout_seconds)


def free_port() -> int:
    with socket.socket() as probe_socket:
        probe_socket.bind(("127.0.0.1", 0))
        return int(probe_socket.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    folder = tmp_path_factory.mktemp("preflight") / "data"
    new_mariadb(folder)
    settings = ServerOptions(port=free_port(), server_id=1, binlog=True)
    with PrivateServer(folder, settings) as running:
        run(running, *TABLES)
        yield running


@pytest.fixture
def orders(server: PrivateServer) -> Instance:
    """An instance, and a user that may do what a backup needs and nothing else."""
    make_user(server, list(NEEDED))
    port = server.settings.port or 0
    instance = Instance(name="orders-1", host="127.0.0.1", user="bk", port=port)
    instance.set_password(PASSWORD)
    instance.save()
    return instance


@pytest.fixture
def main(tmp_path: Path, settings: Settings) -> Path:
    """A repository, and the key for it."""
    settings.BACKUP_KEY_TEXT = ""
    settings.BACKUP_KEY_FILE = tmp_path / "backup.key"
    create_key_file(tmp_path / "backup.key")
    assert (
        run_command("addrepository", "main", "--path", str(tmp_path / "repository")).exit_code == 0
    )
    return tmp_path / "repository"


def run(server: PrivateServer, *statements: str) -> None:
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def make_user(server: PrivateServer, privileges: list[str]) -> None:
    secret = PASSWORD.replace("'", "''")
    run(server, f"CREATE OR REPLACE USER bk@'127.0.0.1' IDENTIFIED BY '{secret}'")
    run(server, f"GRANT {', '.join(privileges) or 'USAGE'} ON *.* TO bk@'127.0.0.1'")


def doctor(*words: str) -> tuple[Ended, dict[str, dict[str, str]]]:
    ended = run_command("doctor", "orders-1", *words, "--json")
    return ended, {check["name"]: check for check in ended.json()["checks"]}


def found_wanting(checks: dict[str, dict[str, str]]) -> set[str]:
    """Return the checks with findings; what this machine's kernel does is its own matter."""
    of_the_machine = {"processor priority", "disk priority"}
    return {name for name, one in checks.items() if one["verdict"] != "ok"} - of_the_machine


@contextmanager
def tiny_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    subprocess.run(mount, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def take_backup(*words: str) -> tuple[bool, int]:
    """Run the real tool; return whether it succeeded, and the bytes it streamed."""
    argv = ["mariadb-backup", "--no-defaults", "--backup", "--stream=mbstream", *words]
    done = subprocess.run(argv, capture_output=True, check=False)
    return done.returncode == 0, len(done.stdout)


def backup_succeeds(server: PrivateServer, folder: Path) -> bool:
    """Whether the real tool does it, as the same user."""
    address = ("--host=127.0.0.1", f"--port={server.settings.port}")
    return take_backup("--user=bk", f"--password={PASSWORD}", *address, f"--target-dir={folder}")[0]


def version_of(server: PrivateServer) -> str:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        ((version,),) = cursor.fetchall()
        return str(version)


def test_a_sound_instance(server: PrivateServer, orders: Instance, main: Path) -> None:
    ended, checks = doctor()
    assert ended.exit_code == 0, ended.stdout
    # Server and repository are both in a temporary folder.
    assert found_wanting(checks) == {"disk of main"}
    assert checks["processor priority"]["found"].startswith("nice 1")
    assert not ended.json()["would_be_refused"]
    orders.refresh_from_db()
    assert orders.flavour == "mariadb"
    assert orders.version == version_of(server)
    assert orders.data_bytes == ended.json()["raw_bytes"]
    assert orders.seen_at is not None


def test_the_same_for_people(orders: Instance, main: Path) -> None:
    ended = run_command("doctor", "orders-1")
    assert ended.exit_code == 0
    conclusion = "A backup of orders-1 can be taken, with warnings: disk of main"
    assert conclusion in ended.stdout
    assert PASSWORD not in ended.stdout


def test_the_estimate_is_what_the_tool_streams(
    server: PrivateServer, orders: Instance, tmp_path: Path
) -> None:
    preflight = run_checks(orders, [], runner_of(orders))
    socket_word, folder = f"--socket={server.socket}", f"--target-dir={tmp_path}"
    succeeded, stream_bytes = take_backup("--user=root", socket_word, folder)
    assert succeeded
    assert preflight.survey.raw_bytes == pytest.approx(stream_bytes, rel=0.02)


def test_every_privilege_named_as_missing_is_needed(
    server: PrivateServer, orders: Instance, main: Path, tmp_path: Path
) -> None:
    for missing in NEEDED:
        make_user(server, [name for name in NEEDED if name != missing])
        ended, checks = doctor()
        assert ended.exit_code == 3
        assert checks["privileges"]["found"].startswith(f"missing {missing} (")
        statement = f"GRANT {missing} ON *.* TO `bk`@`127.0.0.1`;"
        assert statement in checks["privileges"]["hint"]
        assert not backup_succeeds(server, tmp_path / "before")
        run(server, statement)
        assert doctor()[0].exit_code == 0
        assert backup_succeeds(server, tmp_path / "after")


def test_a_role_counts_only_when_it_is_active(
    server: PrivateServer, orders: Instance, main: Path
) -> None:
    make_user(server, [])
    run(server, "CREATE OR REPLACE ROLE backup", f"GRANT {', '.join(NEEDED)} ON *.* TO backup")
    run(server, "GRANT backup TO bk@'127.0.0.1'")
    ended, checks = doctor()
    assert ended.exit_code == 3
    assert "default role; granted: backup." in checks["privileges"]["hint"]
    run(server, "SET DEFAULT ROLE backup FOR bk@'127.0.0.1'")
    assert doctor()[0].exit_code == 0


def test_a_wrong_password(orders: Instance, main: Path) -> None:
    orders.set_password("not this one")
    orders.save()
    ended, checks = doctor()
    assert ended.exit_code == 3
    # How the server names this machine depends on its resolver.
    words = (
        rf"cannot connect to {orders.address}: access denied for user bk@(localhost|127\.0\.0\.1)"
    )
    assert re.fullmatch(words, checks["reachable"]["found"])
    assert "CREATE USER `bk`@`" in checks["reachable"]["hint"]
    assert "not this one" not in ended.stdout
    assert checks["repository main"]["verdict"] == "ok"


@pytest.mark.parametrize(
    ("changes", "found", "hint"),
    [
        ({"port": 1}, "connection refused", "Check that the server runs"),
        ({"host": "nowhere.invalid"}, "unknown host", "Check the host name"),
        ({"socket": "/nowhere/mysqld.sock"}, "no such socket", "where its socket is"),
    ],
)
def test_a_server_that_is_not_there(
    orders: Instance, main: Path, changes: dict[str, object], found: str, hint: str
) -> None:
    Instance.objects.filter(pk=orders.pk).update(**changes)
    ended, checks = doctor()
    assert ended.exit_code == 3
    assert checks["reachable"]["found"].endswith(found)
    assert hint in checks["reachable"]["hint"]
    assert checks["privileges"]["verdict"] == "unknown"


def test_a_server_that_answers_nothing(orders: Instance) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        orders.port = silent.getsockname()[1]
        with pytest.raises(InstanceUnreachable, match="no answer in time"):
            connect(login_of(orders), connect_timeout=1)


def test_a_repository_without_room_is_refused_with_figures(
    orders: Instance, main: Path, tmp_path: Path
) -> None:
    with tiny_disk(tmp_path / "tiny", megabytes=8) as disk:
        assert run_command("addrepository", "tiny", "--path", str(disk)).exit_code == 0
        ended, checks = doctor("--repository", "tiny")
        both = run_command("doctor", "orders-1")
    # A backup to both would go to the other one.
    assert both.exit_code == 0
    assert both.stdout.endswith("room in tiny and with no copy in tiny.\n")
    assert ended.exit_code == 3
    assert "8.0 MiB free" in checks["room in tiny"]["found"]
    assert "short" in checks["room in tiny"]["found"]
    assert "room in main" not in checks


def test_a_repository_that_is_not_mounted(orders: Instance, main: Path) -> None:
    main.rename(main.with_name("elsewhere"))
    ended, checks = doctor()
    assert ended.exit_code == 3
    assert "is not a repository" in checks["repository main"]["found"]


def test_looking_leaves_nothing_in_a_repository(orders: Instance, main: Path) -> None:
    doctor()
    assert [path.name for path in main.iterdir()] == ["mooring.json"]


def test_without_a_key_nothing_is_sealed(orders: Instance, main: Path, settings: Settings) -> None:
    settings.BACKUP_KEY_FILE = main / "gone.key"
    ended, checks = doctor()
    assert ended.exit_code == 3
    assert checks["backup key"]["verdict"] == "failed"


def test_the_probe_sees_what_the_server_is(server: PrivateServer, orders: Instance) -> None:
    with closing(connect(login_of(orders))) as connection:
        facts = probe(connection)
    assert (facts.flavour, facts.log_bin, facts.page_size) == ("mariadb", True, 16384)
    assert Path(facts.datadir) == server.folder
    assert facts.grants.account == "bk@127.0.0.1"
    assert facts.innodb is not None
    assert facts.innodb.file_bytes > 8 * 1024**2


def test_a_folder_that_cannot_be_read_is_named(server: PrivateServer, orders: Instance) -> None:
    survey = run_checks(orders, [], NobodyRunner()).survey
    assert survey.host is not None
    assert survey.facts is not None
    check = check_data_folder(survey.host, survey.facts)
    assert check.verdict is Verdict.FAILED
    assert "cannot be read" in check.found
    assert str(server.folder) in check.found


def test_addinstance_asks_the_server(
    server: PrivateServer, orders: Instance, tmp_path: Path
) -> None:
    make_user(server, ["RELOAD", "PROCESS"])
    (tmp_path / "password").write_text(PASSWORD + "\n")
    words = ["--port", str(server.settings.port), "--user", "bk"]
    words += ["--password-file", str(tmp_path / "password")]
    ended = run_command("addinstance", "orders-2", *words)
    assert ended.exit_code == 0
    assert "Missing privileges: BINLOG MONITOR. Run this on the instance:" in ended.stdout
    assert "\nGRANT BINLOG MONITOR ON *.* TO `bk`@`127.0.0.1`;\n" in ended.stdout
    row = Instance.objects.get(name="orders-2")
    assert row.version == version_of(server)
    assert row.seen_at is not None


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("sql_select_limit = 3", "sql_select_limit = 3 from a global setting"),
        ("max_join_size = 10", "max_join_size = 10 from a global setting"),
        ("init_connect = 'SET sql_select_limit = 4'", "sql_select_limit = 4 from init_connect"),
    ],
)
def test_a_limit_that_ends_the_tool_is_refused_by_name(
    server: PrivateServer, orders: Instance, main: Path, tmp_path: Path, setting: str, found: str
) -> None:
    try:
        run(server, f"SET GLOBAL {setting}")
        assert not backup_succeeds(server, tmp_path / "limited")
        ended, checks = doctor()
        assert ended.exit_code == 3
        assert checks["session settings"]["found"].startswith(found)
        assert "Run SET GLOBAL" in checks["session settings"]["hint"]
    finally:
        run(
            server,
            f"SET GLOBAL sql_select_limit = {NO_LIMIT}",
            f"SET GLOBAL max_join_size = {NO_LIMIT}, GLOBAL sql_big_selects = 1",
            "SET GLOBAL init_connect = ''",
        )
    assert doctor()[0].exit_code == 0


@pytest.mark.parametrize(
    "options",
    [
        {"innodb-sys-tablespaces": "OFF"},
        {"innodb-tablespaces-encryption": "OFF"},
        {"innodb-sys-tablespaces": "OFF", "innodb-tablespaces-encryption": "OFF"},
    ],
)
def test_tables_a_server_does_not_offer_are_unknown(
    orders: Instance, main: Path, tmp_path: Path, options: dict[str, str]
) -> None:
    new_mariadb(tmp_path / "data")
    settings = ServerOptions(port=free_port(), server_id=1, binlog=True, options=options)
    with PrivateServer(tmp_path / "data", settings) as hiding:
        make_user(hiding, list(NEEDED))
        Instance.objects.filter(pk=orders.pk).update(port=settings.port)
        ended, checks = doctor()
        assert ended.exit_code == 0, ended.stdout
        assert checks["server encryption"]["verdict"] == "unknown"
        (tmp_path / "password").write_text(PASSWORD)
        words = ["--port", str(settings.port), "--user", "bk"]
        added = run_command(
            "addinstance", "new-1", *words, "--password-file", str(tmp_path / "password")
        )
        assert added.exit_code == 0, added.stderr


def test_a_folder_the_tool_cannot_open_is_found_before(
    orders: Instance, main: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    new_mariadb(folder)
    settings = ServerOptions(port=free_port(), server_id=1, binlog=True)
    with PrivateServer(folder, settings) as mine:
        make_user(mine, list(NEEDED))
        Instance.objects.filter(pk=orders.pk).update(port=settings.port)
        orders.refresh_from_db()
        ours = [folder for folder in tmp_path.parents if "pytest" in str(folder)]
        for path in (tmp_path, *ours, *tmp_path.rglob("*")):
            path.chmod(0o755)
        (folder / "lost+found").mkdir(mode=0o700)
        survey = run_checks(orders, [], NobodyRunner()).survey
        assert survey.host is not None
        assert survey.host.files is not None
        assert survey.host.files.unreadable == f"{folder}/lost+found"
        assert survey.facts is not None
        check = check_data_folder(survey.host, survey.facts)
        assert (check.verdict, "lost+found cannot be read" in check.found) == (Verdict.FAILED, True)
