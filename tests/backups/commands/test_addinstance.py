"""Registering an instance, as far as it goes without a server; the rest is in tests/live."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from backups.models import Instance
from tests.commands import run_command

pytestmark = pytest.mark.django_db


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("s3cret with a space \n")
    return path


def test_it_keeps_everything_it_was_given(password_file: Path) -> None:
    ended = run_command(
        *("addinstance", "orders-1", "--host", "10.0.0.7", "--port", "3307", "--user", "bk"),
        *("--password-file", str(password_file), "--group", "shop", "--group", "eu"),
        *("--tag", "prod", "--history-tool", "xtrabackup", "--no-check", "--json"),
    )
    assert ended.exit_code == 0
    assert ended.json()["tags"] == ["prod"]
    assert ended.json()["history_tool"] == "xtrabackup"
    row = Instance.objects.get()
    assert (row.name, row.address, row.user) == ("orders-1", "10.0.0.7:3307", "bk")
    assert row.password() == "s3cret with a space "
    assert ended.json()["groups"] == ["eu", "shop"]
    assert (ended.json()["checked"], row.seen_at, row.flavour) == (False, None, "")


@pytest.mark.parametrize(
    ("words", "engine", "tls"),
    [
        ((), "mariadb_backup", "by-address"),
        (("--engine", "clone", "--tls", "required"), "clone", "required"),
    ],
)
def test_engine_and_tls(words: tuple[str, ...], engine: str, tls: str) -> None:
    ended = run_command("addinstance", "orders-1", "--no-check", "--json", *words)
    row = Instance.objects.get()
    assert (row.engine, row.tls) == (engine, tls)
    assert (ended.json()["engine"], ended.json()["tls"]) == (engine, tls)


def test_the_pace_of_its_backups() -> None:
    words = ("addinstance", "orders-1", "--no-check", "--json")
    wrong = run_command(*words, "--pace-limit", "fast")
    assert (wrong.exit_code, "'fast' is not a rate" in wrong.stderr) == (2, True)
    wrong = run_command(*words, "--pace-hours", "8-18 20M")
    assert (wrong.exit_code, "is not a limit by hours" in wrong.stdout) == (2, True)
    pace = ("--pace-factor", "2", "--pace-lag-seconds", "5", "--pace-limit", "20M")
    ended = run_command(*words, *pace, "--pace-hours", "22:00-06:00 full")
    row = Instance.objects.get()
    assert (row.pace_factor, row.pace_lag_seconds, row.pace_bytes_per_s) == (2, 5, 20 << 20)
    assert row.pace_hours == "22:00-06:00 full"
    assert ended.json()["pace"].startswith("statements at most 2 times as long as before; ")


def test_the_password_is_in_nothing_it_says(password_file: Path) -> None:
    words = ("addinstance", "o", "--password-file", str(password_file))
    for more in ((), ("--json",), ("--no-check",)):
        ended = run_command(*words, "--socket", "/nowhere/mysqld.sock", *more)
        assert "s3cret" not in ended.stdout + ended.stderr


def test_the_password_from_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe\n"))
    run_command("addinstance", "orders-1", "--password-file", "-", "--no-check")
    assert Instance.objects.get().password() == "from a pipe"


def test_an_instance_that_cannot_be_reached_is_not_added() -> None:
    ended = run_command("addinstance", "orders-1", "--socket", "/nowhere/mysqld.sock")
    assert ended.exit_code == 1
    assert ended.stderr == (
        "error: cannot connect to /nowhere/mysqld.sock: no such socket\n"
        "HINT: Check that the server runs and where its socket is.\n"
    )
    assert not Instance.objects.exists()


def test_ssh() -> None:
    ended = run_command(
        *("addinstance", "orders-1", "--runner", "ssh", "--ssh-host", "db-1", "--ssh-user", "m"),
        *("--ssh-port", "2222", "--ssh-identity-file", "/k/id", "--no-check"),
        *("--ssh-known-hosts-file", "/k/known"),
    )
    assert ended.exit_code == 0
    row = Instance.objects.get()
    assert (row.runner, row.ssh_host, row.ssh_port, row.ssh_user) == ("ssh", "db-1", 2222, "m")
    assert (row.ssh_identity_file, row.ssh_known_hosts_file) == ("/k/id", "/k/known")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("o 1",), "name: Use letters, digits"),
        (("o", "--port", "0"), "port: Ensure this value is greater than or equal to 1"),
        (("o", "--port", "many"), "invalid int value: 'many'"),
        (("o", "--runner", "ssh"), "--runner ssh needs --ssh-host and --ssh-user"),
        (("o", "--ssh-host", "db-1"), "--ssh-host needs --runner ssh"),
        (("o", "--socket", "mysqld.sock"), "mysqld.sock is not an absolute path"),
        (("o", "--password-file", "/nowhere/pw"), "No such file or directory"),
        (("o", "--password-file", "/dev/null"), "password file /dev/null is empty"),
        (("o", "--group", "a group"), "name: Use letters, digits"),
        (("o", "--password", "s3cret"), "unrecognized arguments: --password"),
    ],
)
def test_bad_input(words: tuple[str, ...], said: str) -> None:
    ended = run_command("addinstance", *words, "--no-check")
    assert ended.exit_code == 2
    assert said in ended.stderr
    assert not Instance.objects.exists()


def test_a_name_that_is_taken() -> None:
    Instance.objects.create(name="orders-1", host="10.0.0.7")
    ended = run_command("addinstance", "orders-1", "--no-check")
    assert ended.exit_code == 2
    assert "Instance with this Name already exists" in ended.stderr
    assert Instance.objects.get().host == "10.0.0.7"
