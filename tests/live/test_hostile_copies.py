"""Copies of MariaDB that somebody has changed: nothing in them may become code or reach outside."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.engines.base import CopyRequest, Login
from backups.engines.mariadb_backup import MariadbBackup, MariadbOptions
from backups.exceptions import EngineError
from backups.programs.private_server import PrivateServer
from backups.runners import LocalRunner
from tests.live.observer import Diary
from tests.live.server import LiveServer
from tests.live.test_mariadb_backup_engine import write_out
from tests.live.watch import Watch

pytestmark = pytest.mark.live

# Any library: a program that opens it says what it misses in it.
SOME_LIBRARY = "libz.so.1"
OPENED = "Can't find symbol"


@pytest.fixture(scope="module")
def made_once(mariadb: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "copy"
    folder.mkdir()
    login = Login(mariadb.user, mariadb.password, socket=mariadb.socket)
    request = CopyRequest(login, LocalRunner(), MariadbOptions())
    with MariadbBackup().copy(request, Diary()) as copy:
        write_out(copy.records(), folder)
    return folder


@pytest.fixture
def copy(made_once: Path, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "copy"
    shutil.copytree(made_once, folder)
    yield folder


def add_options(copy: Path, *lines: str) -> None:
    with (copy / "backup-my.cnf").open("a") as file:
        file.write("\n".join(["", *lines, ""]))


def test_a_library_in_the_backup_is_not_loaded(copy: Path) -> None:
    library = next(Path("/usr/lib").rglob(SOME_LIBRARY), None) or next(
        Path("/lib").rglob(SOME_LIBRARY)
    )
    shutil.copy(library, copy / "evil.so")
    add_options(copy, "plugin_load=evil.so", "plugin_dir=.")
    watch = Watch()
    with pytest.raises(EngineError, match=r"loads the plugin 'evil\.so', which is none of those"):
        MariadbBackup().prepare(copy, watch, server="")
    assert OPENED not in watch.said()


def test_options_that_do_not_shape_files_are_without_effect(copy: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    add_options(
        copy,
        f"innodb_data_home_dir={elsewhere}",
        f"innodb_log_group_home_dir={elsewhere}",
        f"tmpdir={elsewhere}",
        "plugin_dir=.",
        "[mariadb-backup]",
        f"plugin_load=evil.so\nlog_innodb_page_corruption=1\ninnodb_undo_directory={elsewhere}",
    )
    watch = Watch()
    MariadbBackup().prepare(copy, watch, server="")
    assert list(elsewhere.iterdir()) == []
    assert OPENED not in watch.said()


def test_option_files_and_links_in_a_copy_are_gone_before_any_program_runs(copy: Path) -> None:
    foreign = ("my.cnf", "mysql/.my.cnf", "mysql/deep/er.isl", "far.isl")
    for name in foreign:
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text("/etc/passwd")
    MariadbBackup().prepare(copy, Watch(), server="")
    assert [name for name in foreign if (copy / name).exists()] == []


def test_a_server_is_given_nothing_of_the_copys_option_file_but_shapes(copy: Path) -> None:
    MariadbBackup().prepare(copy, Watch(), server="")
    add_options(copy, "init_file=/etc/passwd", "general_log=1", "local_infile=1")
    server = MariadbBackup().restored_server(copy, server="", on_wait=lambda: None)
    with server:
        assert settings_of(server) == (None, 0)


def settings_of(server: PrivateServer) -> tuple[object, ...]:
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT @@init_file, @@general_log")
        return tuple(cursor.fetchone() or ())
