"""Global settings of a server that reach every session: nothing is lost, or it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.instances.connection import connect, fetch_rows, login_of
from backups.models import Instance
from tests.commands import run_command
from tests.live.clone_jobs import USER, add_instance, make_main, start_options, take
from tests.live.mysql import PrivateMysql
from tests.live.test_clone_foreign_tables import READ

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

HOSTILE = (
    "SET GLOBAL sql_select_limit = 3",
    "SET GLOBAL max_join_size = 1",
    "SET GLOBAL sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'",
    "SET GLOBAL autocommit = 0",
    "SET GLOBAL max_execution_time = 1",
    "SET GLOBAL init_connect = 'SET sql_select_limit = 2, sql_quote_show_create = 0'",
)
TABLES = ("shop.notes", "shop.lines", "shop.log", "shop.four", "shop.five")


@pytest.fixture
def donor(tmp_path: Path) -> Iterator[PrivateMysql]:
    with PrivateMysql(tmp_path / "donor", {"log-bin": "binlog"}) as server:
        server.execute(*USER, READ, "CREATE DATABASE shop")
        for table in TABLES:
            server.execute(
                f"CREATE TABLE {table} (id INT NOT NULL, word CHAR(9) NOT NULL) ENGINE=MyISAM",
                f"INSERT INTO {table} WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL "
                "SELECT i + 1 FROM n WHERE i < 500) SELECT i, 'word' FROM n",
            )
        yield server


@pytest.fixture
def instance(donor: PrivateMysql, tmp_path: Path, settings: Settings) -> Instance:
    make_main(tmp_path, settings)
    return add_instance(donor, "--save-foreign-tables")


@pytest.mark.parametrize("statements", [HOSTILE[:1], HOSTILE], ids=["limit", "all"])
def test_settings_of_the_server_lose_no_row(
    donor: PrivateMysql, instance: Instance, tmp_path: Path, statements: tuple[str, ...]
) -> None:
    donor.execute(*statements)
    taken = take()
    assert taken.exit_code == 0, taken.stdout
    target = tmp_path / "restored"
    words = [taken.json()["label"], "--to", str(target), "--foreground", "--json"]
    restored = run_command("restorebackup", *words)
    assert restored.exit_code == 0, restored.stdout
    with PrivateMysql(target, start_options(target)) as server:
        counts = [server.execute(f"SELECT COUNT(*) FROM {table}")[0][0] for table in TABLES]
    assert counts == [500] * len(TABLES)


def test_a_connection_begins_with_settings_of_its_own(
    donor: PrivateMysql, instance: Instance
) -> None:
    donor.execute(*HOSTILE)
    sql = (
        "SELECT @@sql_select_limit AS rows_limit, @@sql_big_selects AS big, @@autocommit AS own, "
        "@@sql_mode AS mode, @@max_execution_time AS milliseconds"
    )
    with closing(connect(login_of(instance))) as connection:
        (session,) = fetch_rows(connection, sql)
    assert session == {
        "rows_limit": 18446744073709551615,
        "big": 1,
        "own": 1,
        "mode": "NO_ENGINE_SUBSTITUTION",
        "milliseconds": 0,
    }
