"""Servers whose pages, or whose system tablespace, are not as they are by default."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.models import Backup, Repository
from tests.commands import run_command
from tests.live.clone_jobs import (
    USER,
    add_instance,
    check_pages,
    damaged_tables,
    make_main,
    start_options,
    take,
)
from tests.live.mysql import PrivateMysql
from tests.live.mysql_load import TOTAL, Load, prepare

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

# Slow enough that tables are made and dropped while it copies.
SLOW_BYTES_PER_S = 30 << 20
TWO_FILES = "ibdata1:12M;ibdata2:12M:autoextend"
LARGE_SYSTEM = ("CREATE TABLE bank.big (n INT PRIMARY KEY, t LONGBLOB) TABLESPACE innodb_system",)
FILLED = "INSERT INTO bank.big VALUES " + ", ".join(
    f"({n}, REPEAT('x', 1000000))" for n in range(20)
)


@pytest.fixture
def main(tmp_path: Path, settings: Settings) -> Repository:
    settings.THROTTLE_BYTES_PER_S = SLOW_BYTES_PER_S
    return make_main(tmp_path, settings)


@pytest.mark.parametrize(
    "shape",
    [
        {"innodb-page-size": "4096"},
        {"innodb-page-size": "8192"},
        {"innodb-page-size": "32768"},
        {"innodb-page-size": "65536"},
        {"innodb-data-file-path": TWO_FILES},
    ],
    ids=["4k", "8k", "32k", "64k", "two system files"],
)
def test_a_server_of_another_shape_comes_back(
    tmp_path: Path, main: Repository, shape: Mapping[str, str]
) -> None:
    # From 32k on there are no compressed tables: not strict, the server makes plain ones.
    options = {**shape, "skip-log-bin": "", "innodb-strict-mode": "OFF"}
    with PrivateMysql(tmp_path / "data", options) as server:
        server.execute(*USER)
        prepare(server)
        server.execute(*LARGE_SYSTEM, FILLED)
        add_instance(server)
        with Load(server, writers=2) as load:
            time.sleep(0.5)
            ended = take()
        assert load.errors == []
    assert ended.exit_code == 0, ended.stdout
    label = Backup.objects.get().label
    raw, target = tmp_path / "raw", tmp_path / "restored"
    assert (
        run_command("restorebackup", label, "--to", str(raw), "--foreground", "--raw").exit_code
        == 0
    )
    assert check_pages(raw) >= 7
    ended = run_command("restorebackup", label, "--to", str(target), "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout
    assert shape.items() <= start_options(target).items()
    with PrivateMysql(target, start_options(target)) as restored:
        assert damaged_tables(restored) == []
        assert restored.execute("SELECT SUM(amount) FROM bank.account") == [(TOTAL,)]
        assert restored.execute("SELECT SUM(LENGTH(t)) FROM bank.big") == [(20_000_000,)]
        assert restored.log_errors() == []


def test_a_system_tablespace_elsewhere_comes_home(tmp_path: Path, main: Repository) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    files = f"{elsewhere}/first:12M;{elsewhere}/second:12M:autoextend"
    options = {"innodb-data-home-dir": "", "innodb-data-file-path": files, "skip-log-bin": ""}
    with PrivateMysql(tmp_path / "data", options) as server:
        server.execute(*USER, "CREATE DATABASE bank")
        server.execute(*LARGE_SYSTEM, FILLED)
        add_instance(server)
        ended = take()
        assert ended.exit_code == 0, ended.stdout
        label, target = Backup.objects.get().label, tmp_path / "restored"
        # The donor still runs on its own files: whoever opens those of the same name fails.
        ended = run_command("restorebackup", label, "--to", str(target), "--foreground", "--json")
        assert ended.exit_code == 0, ended.stdout
        shaping = start_options(target)
        assert shaping["innodb-data-file-path"] == "first:12M;second:12M:autoextend"
        with PrivateMysql(target, shaping) as restored:
            assert restored.execute("SELECT SUM(LENGTH(t)) FROM bank.big") == [(20_000_000,)]
