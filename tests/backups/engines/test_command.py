"""The words and settings mariadb-backup is called with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from backups.engines.base import Login
from backups.engines.mariadb_backup import prepare_argv
from backups.engines.mariadb_backup.command import backup_argv, build_chosen, build_settings
from backups.exceptions import EngineError
from backups.logins.tls import Tls


def understood(settings: str, folder: Path) -> list[str]:
    """Return the options that MariaDB's own parser finds."""
    path = folder / "settings"
    path.write_text(settings, encoding="utf-8")
    argv = ["my_print_defaults", f"--defaults-file={path}", "mariabackup"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


@pytest.mark.parametrize(
    "password",
    [
        "plain",
        "",
        "a b",
        "#no;comment",
        'quo"te',
        "it's",
        "back\\slash",
        "\\n",
        "\\",
        "'x'",
        "é€",
        '"x"',
        "a=b",
        "[mariabackup]",
        " edge ",
    ],
)
def test_any_password_is_understood(password: str, tmp_path: Path) -> None:
    settings = build_settings(Login("backup", password, socket="/run/x.sock"))
    assert understood(settings, tmp_path) == [
        "--user=backup",
        f"--password={password}",
        "--socket=/run/x.sock",
        "--protocol=socket",
    ]


def test_a_password_cannot_add_a_line() -> None:
    assert len(build_settings(Login("u", "x\nssl=0\r\n")).splitlines()) == 6


def test_without_a_socket_it_is_tcp(tmp_path: Path) -> None:
    settings = build_settings(Login("backup", "x", host="localhost", port=3307))
    assert understood(settings, tmp_path)[2:] == [
        "--host=localhost",
        "--port=3307",
        "--protocol=tcp",
    ]


def test_the_settings_come_first_and_hold_all_that_is_secret() -> None:
    argv = backup_argv(Login("bk", "x"), threads=3)
    assert argv[:2] == ["mariadb-backup", "--defaults-file={settings}"]
    assert "--parallel=3" in argv
    # A tool with one thread does not say when it begins.
    assert "--parallel=2" in backup_argv(Login("u", "x"), threads=1)
    assert "--log-copy-interval=20" in argv
    assert not [word for word in argv if "user" in word or "password" in word]


def test_prepare_names_its_folder() -> None:
    assert "--target-dir=/restore/a b" in prepare_argv("/restore/a b")
    assert "--use-memory=1024" in prepare_argv("/x", memory_bytes=1024)


@pytest.mark.parametrize(
    ("tls", "line"),
    [
        (Tls.VERIFY_CA, 'ssl="1"'),
        (Tls.REQUIRED, 'ssl="1"'),
        (Tls.OFF, 'ssl="0"'),
        (Tls.PREFERRED, None),
    ],
)
def test_tls(tls: Tls, line: str | None) -> None:
    lines = build_settings(Login("bk", "x", tls=tls)).splitlines()
    assert [each for each in lines if each.startswith("ssl")] == ([line] if line else [])


def test_a_partial_copy_is_of_names_and_never_of_patterns(tmp_path: Path) -> None:
    argv = backup_argv(Login("backup", "x"), threads=2, chosen=True)
    assert "--databases-file={chosen}" in argv
    assert not any(word.startswith("--tables") for word in argv)
    assert not any("chosen" in word for word in backup_argv(Login("backup", "x"), threads=2))
    written = build_chosen(["shop/orders", "we@002dird/@0k"])
    assert written.splitlines() == [
        "mysql", "sys", "performance_schema", "shop.orders", "we@002dird.@0k",
    ]  # fmt: skip
    for name in ("shop", "shop/a\nmysql", "shop/.*", "a/b/c"):
        with pytest.raises(EngineError, match="no name of a table's file"):
            build_chosen([name])
