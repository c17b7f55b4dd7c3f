"""Does a server start on restored files with nothing but the fragment, a port and a socket?"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pytest_django import Settings

from backups.models import Instance, Job
from backups.programs.server_program import mariadb_program
from backups.programs.server_settings import ServerSettings
from backups.restores.option_file import OPTION_FILE, build_option_file
from tests.backups.conftest import make_repository
from tests.commands import run_command
from tests.live.clone_jobs import USER, add_instance, make_main, taken
from tests.live.mysql import PrivateMysql, mysql_folder, program
from tests.live.server import LiveServer, free_port

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

# Nobody listens there: what matters is that nobody tries.
REPLICATE = (
    "CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT=1, SOURCE_USER='r'",
    "START REPLICA",
)
IO_STATE = "SELECT SERVICE_STATE FROM performance_schema.replication_connection_status"
ODD = 'it\'s "the" #1 folder \\n é'


def restored(label: str, target: Path) -> Path:
    words = [label, "--to", str(target), "--foreground", "--json"]
    ended = run_command("restorebackup", *words)
    assert ended.exit_code == 0, ended.stdout
    assert ended.json()["option_file"] == str(target / OPTION_FILE)
    return target


def last_detail() -> str:
    return Job.objects.latest("pk").stages.get(name="hand over").detail


def answers(argv: list[str], target: Path, folder: Path, *questions: str) -> list[Any]:
    """Start a server with the fragment and ask it. Any: SQL's values."""
    socket = folder / "s"
    server = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL", "--", argv[0]),
            f"--defaults-file={target / OPTION_FILE}",
            *(["--user=root"] if os.geteuid() == 0 else []),
            *argv[1:],
            f"--socket={socket}",
            f"--port={free_port()}",
            "--server-id=77",
            f"--log-error={folder / 'log.err'}",
            f"--pid-file={folder / 'pid'}",
        ]
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                connection = pymysql.connect(unix_socket=str(socket), user="root")
                break
            except pymysql.err.OperationalError:
                log = (folder / "log.err").read_text() if (folder / "log.err").exists() else ""
                assert server.poll() is None, log
                assert time.monotonic() < deadline, log
                time.sleep(0.05)
        with connection, connection.cursor() as cursor:
            found = []
            for question in questions:
                cursor.execute(question)
                found.append((cursor.fetchone() or (None,))[0])
            return found
    finally:
        server.terminate()
        server.wait(60)


MYSQL_OPTIONS = {
    "innodb-page-size": "8k",
    "innodb-data-file-path": "ibdata1:20M;ibdata2:12M:autoextend",
    "lower-case-table-names": "1",
    "character-set-server": "latin1",
    "default-time-zone": "+02:00",
    "sql-mode": "ANSI_QUOTES,ONLY_FULL_GROUP_BY",
}


def mysql_argv() -> list[str]:
    home = mysql_folder()
    return [
        program("mysqld"),
        f"--basedir={home}",
        f"--lc-messages-dir={home / 'share'}",
        f"--character-sets-dir={home / 'share' / 'charsets'}",
        f"--plugin-dir={home / 'plugin'}",
        "--mysqlx=OFF",
        "--secure-file-priv=NULL",
    ]


def test_a_mysql_starts_on_it(tmp_path: Path, settings: Settings) -> None:
    with PrivateMysql(tmp_path / "donor", MYSQL_OPTIONS) as donor:
        donor.execute(*USER, *REPLICATE, "CREATE DATABASE Shop", "CREATE TABLE Shop.A (i INT)")
        donor.execute("SET GLOBAL event_scheduler = ON")
        make_main(tmp_path, settings)
        add_instance(donor)
        target = restored(taken(), tmp_path / ODD)
        assert "it was a replica of 127.0.0.1:1, its replication is stopped" in last_detail()
    text = (target / OPTION_FILE).read_text()
    assert '# plugin_load_add = "clone=mysql_clone.so"' in text
    assert f'# port = "{donor.port}"' in text
    expected = {
        "SELECT COUNT(*) FROM SHOP.a": 0,
        "SELECT @@datadir": f"{target}/",
        "SELECT @@character_set_server": "latin1",
        "SELECT @@sql_mode": "ANSI_QUOTES,ONLY_FULL_GROUP_BY",
        "SELECT @@time_zone": "+02:00",
        "SELECT @@innodb_redo_log_capacity": 64 << 20,
        "SELECT @@gtid_mode": "ON",
        "SELECT @@event_scheduler": "OFF",
        IO_STATE: "OFF",
    }
    found = answers(mysql_argv(), target, tmp_path, *expected)
    assert dict(zip(expected, found, strict=True)) == expected


def test_a_mariadb_starts_on_it(mariadb: LiveServer, tmp_path: Path) -> None:
    make_repository("main", tmp_path / "main", encrypted=False)
    mariadb.execute(
        "CREATE OR REPLACE DATABASE fragment",
        "CREATE TABLE fragment.t (i INT)",
        "INSERT INTO fragment.t VALUES (1), (2)",
        "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=1, MASTER_USER='r'",
    )
    Instance.objects.create(name="m-1", port=mariadb.port, user="root", engine="mariadb_backup")
    taken = run_command("takebackup", "m-1", "--foreground", "--json")
    assert taken.exit_code == 0, taken.stdout
    target = restored(taken.json()["label"], tmp_path / "restored")
    assert "it was a replica of 127.0.0.1:1; the restored server replicates from" in last_detail()
    # A backup leaves it out; somebody may well put it back.
    shutil.copy(mariadb.folder / "master.info", target)
    mariadb.execute("RESET SLAVE ALL")
    text = (target / OPTION_FILE).read_text()
    assert 'innodb_log_file_size = "67108864"' in text
    assert f'# port = "{mariadb.port}"' in text
    found = answers(
        [mariadb_program().path],
        target,
        tmp_path,
        "SELECT COUNT(*) FROM fragment.t",
        "SELECT @@datadir",
        "SELECT @@innodb_log_file_size",
        "SELECT @@event_scheduler",
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Slave%'",
        # The name of its one source, which is the default one.
        "SHOW ALL SLAVES STATUS",
    )
    assert found == [2, f"{target}/", 64 << 20, "OFF", 0, ""]


@pytest.mark.parametrize("value", ["plain", ODD, "a;b", " edge ", "tab\there", "back\\slash"])
def test_servers_read_what_was_written(value: str, tmp_path: Path) -> None:
    file = tmp_path / OPTION_FILE
    file.write_text(
        build_option_file(
            tmp_path / value,
            label="l",
            shaping={"socket": value},
            server=ServerSettings(),
            external_files={},
            replication_off="skip-slave-start",
        )
    )
    argv = ["my_print_defaults", f"--defaults-file={file}", "mysqld"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert said.startswith(f"--datadir={tmp_path / value}\n--socket={value}\n--skip_slave_start")
