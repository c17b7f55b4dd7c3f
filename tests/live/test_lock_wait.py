"""A session that holds a lock: the wait is bounded, given up cleanly, and names the session."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymysql.connections import Connection
from pytest_django import Settings

from backups.instances.connection import connect, login_of
from backups.instances.lock_holders import LockHolder, fetch_lock_holders
from backups.models import Backup, Instance
from backups.programs.private_server import PrivateServer
from tests.live import clone_jobs
from tests.live.mooring_site import wait_until
from tests.live.mysql import PrivateMysql
from tests.live.test_clone_foreign_tables import READ
from tests.live.test_first_backup import add_instance, main, serve, take

ZERO = timedelta(0)

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

__all__ = ["main"]


def number_of(connection: Connection[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT CONNECTION_ID()")
        (row,) = cursor.fetchall()
    return int(row[0])


def first_of(holders: Sequence[LockHolder]) -> tuple[int, bool]:
    return holders[0].id, holders[0].in_transaction


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateServer]:
    with serve(tmp_path_factory.mktemp("bank") / "data") as server:
        yield server


@pytest.mark.usefixtures("main")
def test_a_table_lock_ends_the_wait_of_mariadb_backup(bank: PrivateServer) -> None:
    add_instance(bank, "--lock-wait-seconds", "2")
    with closing(bank.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES bank.accounts WRITE")
        began = time.monotonic()
        report = take().json()
        assert time.monotonic() - began < 30
        assert report["status"] == "failed"
        assert "gave up its wait for a lock on the instance after 2 s" in report["error"]
        assert f"session {number_of(holder)} of root@localhost" in report["error"]
        assert f"KILL {number_of(holder)};" in report["hint"]
        with closing(bank.connect()) as other, other.cursor() as free:
            free.execute("SET STATEMENT lock_wait_timeout=2 FOR CREATE TABLE bank.new (id INT)")
            free.execute("DROP TABLE bank.new")
    assert Backup.objects.count() == 0
    assert take().exit_code == 0


@pytest.mark.usefixtures("main")
def test_an_open_transaction_comes_first(bank: PrivateServer) -> None:
    instance = add_instance(bank)
    with (
        closing(bank.connect()) as idle,
        closing(bank.connect()) as holder,
        holder.cursor() as cursor,
        closing(connect(login_of(instance))) as connection,
    ):
        cursor.execute("BEGIN")
        cursor.execute("UPDATE bank.accounts SET money = money + 1 LIMIT 1")
        changing = (number_of(holder), True)
        # The server keeps its list of transactions for a moment before it makes a new one.
        wait_until(lambda: first_of(fetch_lock_holders(connection, least=ZERO)) == changing, 30)
        found = fetch_lock_holders(connection, least=ZERO)
        holder.rollback()
        assert number_of(idle) in {each.id for each in found[1:]}


@pytest.fixture
def donor(tmp_path: Path, settings: Settings) -> Iterator[PrivateMysql]:
    with PrivateMysql(tmp_path / "donor", {"log-bin": "binlog"}) as server:
        server.execute(
            *clone_jobs.USER,
            READ,
            "CREATE DATABASE shop",
            "CREATE TABLE shop.notes (id INT) ENGINE=MyISAM",
            "CREATE TABLE shop.orders (id INT PRIMARY KEY)",
        )
        clone_jobs.make_main(tmp_path, settings)
        instance = clone_jobs.add_instance(server, "--save-foreign-tables")
        Instance.objects.filter(pk=instance.pk).update(lock_wait_seconds=2)
        yield server


def test_a_lock_on_a_saved_table_ends_the_wait(donor: PrivateMysql) -> None:
    with closing(donor.connect()) as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES shop.notes WRITE")
        report = clone_jobs.take().json()
        assert "the wait for a lock on `shop`.`notes` was given up after 2 s" in report["error"]
        assert f"session {number_of(holder)} of root@localhost" in report["error"]
    assert clone_jobs.take().exit_code == 0
