"""Ten thousand small tables: a file each, in a clone as on the donor."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import Backup, Repository
from tests.commands import run_command
from tests.live.clone_jobs import USER, add_instance, make_main, start_options, taken
from tests.live.mysql import PrivateMysql

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

TABLES = 10_000
CONNECTIONS = 4
# Of so many tables, one holds a row and is looked into.
SAMPLED = 50
# What is made here is never to survive a power cut.
HASTY = {
    "skip-log-bin": "",
    "innodb-flush-log-at-trx-commit": "0",
    "innodb-doublewrite": "OFF",
    "innodb-redo-log-capacity": "512M",
    "innodb-buffer-pool-size": "256M",
    "innodb-open-files": str(2 * TABLES),
    "open-files-limit": str(4 * TABLES),
    "performance-schema": "OFF",
}


@pytest.fixture
def main(tmp_path: Path, settings: Settings) -> Repository:
    return make_main(tmp_path, settings)


@pytest.fixture
def donor(tmp_path: Path) -> Iterator[PrivateMysql]:
    with PrivateMysql(tmp_path / "data", HASTY) as server:
        server.execute(*USER, "CREATE DATABASE many")
        makers = [
            threading.Thread(target=make_tables, args=(server, range(n, TABLES, CONNECTIONS)))
            for n in range(CONNECTIONS)
        ]
        for maker in makers:
            maker.start()
        for maker in makers:
            maker.join()
        yield server


def make_tables(server: PrivateMysql, numbers: range) -> None:
    with server.connect() as connection, connection.cursor() as cursor:
        for number in numbers:
            cursor.execute(f"CREATE TABLE many.t{number} (n INT PRIMARY KEY, t CHAR(20))")
            if number % SAMPLED == 0:
                cursor.execute(f"INSERT INTO many.t{number} VALUES ({number}, 'there')")


def test_ten_thousand_tables_come_back(
    donor: PrivateMysql, main: Repository, tmp_path: Path
) -> None:
    add_instance(donor)
    label = taken()
    backup = Backup.objects.get()
    assert backup.file_count is not None and backup.file_count > TABLES
    target = tmp_path / "restored"
    ended = run_command("restorebackup", label, "--to", str(target), "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    with PrivateMysql(target, HASTY | start_options(target)) as restored:
        sampled = range(0, TABLES, SAMPLED)
        rows = " UNION ALL ".join(f"SELECT n FROM many.t{n}" for n in sampled)
        sql = f"SELECT COUNT(*), SUM(n) FROM ({rows}) AS some"
        assert restored.execute(sql) == [(len(sampled), sum(sampled))]
        checked = restored.execute(f"CHECK TABLE {', '.join(f'many.t{n}' for n in sampled)}")
        assert {row[2:] for row in checked} == {("status", "OK")}
        assert restored.log_errors() == []
