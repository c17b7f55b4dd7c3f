"""Partial backups of a real MySQL: taken by a clone, stored, restored, started and tested."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.timezone import now
from pytest_django import Settings

from backups.health.protection_facts import restorable_backups, schedules_of
from backups.health.protection_rows import judge_one
from backups.models import Backup, Evidence, Instance, Job, JobLogLine
from backups.protection import Level
from backups.states import Operation
from tests.commands import Ended, run_command
from tests.live.clone_jobs import (
    USER,
    add_instance,
    count,
    executed,
    log_rows,
    make_main,
    start_options,
    take,
)
from tests.live.clone_site import TAKE, CloneSite
from tests.live.held import DROPPING
from tests.live.mooring_site import wait_until
from tests.live.mysql import PrivateMysql
from tests.live.mysql_load import TOTAL, Load
from tests.live.mysql_load import prepare as prepare_bank
from tests.live.victim import HELD

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

FILL = (
    "INSERT INTO {} WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n "
    "WHERE i < 900) SELECT i, REPEAT('x', 9000) FROM n"
)
SHOP = (
    "SET NAMES utf8mb4",
    "CREATE DATABASE shop CHARACTER SET latin1",
    "CREATE DATABASE other",
    "CREATE DATABASE `we-ird.one`",
    "USE shop",
    "CREATE TABLE people (id INT PRIMARY KEY)",
    "CREATE TABLE orders (id INT PRIMARY KEY, who INT, FOREIGN KEY (who) REFERENCES people (id))",
    "CREATE TABLE log_a (id INT PRIMARY KEY, t TEXT)",
    FILL.format("log_a"),
    "CREATE TABLE log_parts (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 2",
    "CREATE TABLE log_words (id INT PRIMARY KEY, t TEXT, FULLTEXT (t))",
    "CREATE TABLE words (id INT PRIMARY KEY, t TEXT, FULLTEXT (t))",
    "INSERT INTO words VALUES (1, 'hello world')",
    "CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3",
    "INSERT INTO parts VALUES (1), (2), (3)",
    "CREATE TABLE `ödd-na.me#x` (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 2",
    "INSERT INTO `ödd-na.me#x` VALUES (7)",
    "CREATE TABLE `log_ödd` (id INT PRIMARY KEY)",
    "CREATE TABLESPACE kept ADD DATAFILE 'kept.ibd'",
    "CREATE TABLESPACE unkept ADD DATAFILE 'unkept.ibd'",
    "CREATE TABLE shared (id INT PRIMARY KEY) TABLESPACE kept",
    "CREATE TABLE log_shared (id INT PRIMARY KEY) TABLESPACE kept",
    "CREATE TABLE log_apart (id INT PRIMARY KEY) TABLESPACE unkept",
    "CREATE TABLE log_system (id INT PRIMARY KEY) TABLESPACE innodb_system",
    "INSERT INTO shared VALUES (5)",
    "CREATE TABLE isam (id INT) ENGINE=MyISAM",
    "CREATE TABLE log_isam (id INT) ENGINE=MyISAM",
    "INSERT INTO isam VALUES (9)",
    "CREATE VIEW big AS SELECT * FROM orders",
    "CREATE VIEW logged AS SELECT id FROM log_a",
    "CREATE VIEW over_it AS SELECT id FROM logged",
    "CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW SET NEW.who = 1",
    "INSERT INTO people VALUES (1), (2)",
    "INSERT INTO orders VALUES (1, 1)",
    "CREATE TABLE other.t (id INT PRIMARY KEY)",
    "CREATE TABLE other.child (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES shop.people (id))",
    "CREATE TABLE `we-ird.one`.t (id INT PRIMARY KEY)",
    "GRANT SELECT, LOCK TABLES ON *.* TO bk@'127.0.0.1'",
)
IN_SHOP = ["isam", "orders", "parts", "people", "shared", "words", "ödd-na.me#x"]
LEFT_OUT = [
    *("shop.log_a", "shop.log_parts", "shop.log_words", "shop.log_ödd", "shop.log_shared"),
    *("shop.log_apart", "shop.log_system", "shop.log_isam", "other.t", "other.child"),
    *("shop.log_far", "we-ird.one.t"),
]
CHOSEN = ("--kind", "partial", "--include", "shop.*", "--exclude", "shop.log_*")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateMysql]:
    folder = tmp_path_factory.mktemp("partial") / "data"
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    options = {"log-bin": "binlog", "innodb-directories": str(elsewhere)}
    with PrivateMysql(folder, options) as server:
        far = f"CREATE TABLE shop.{{}} (id INT PRIMARY KEY) DATA DIRECTORY '{elsewhere}'"
        server.execute(*USER, *SHOP, far.format("far"), far.format("log_far"))
        server.execute("INSERT INTO shop.far VALUES (4)")
        yield server


@pytest.fixture
def instance(shop: PrivateMysql, tmp_path: Path, settings: Settings) -> Instance:
    make_main(tmp_path, settings)
    return add_instance(shop, "--save-foreign-tables")


def taken(*words: str) -> Backup:
    ended = take(*words)
    assert ended.exit_code == 0, ended.stdout
    return Backup.objects.get(label=ended.json()["label"])


def restored(backup: Backup, folder: Path) -> Path:
    done(run_command("restorebackup", backup.label, "--to", str(folder), "--foreground", "--json"))
    return folder


def done(ended: Ended) -> None:
    assert ended.exit_code == 0, ended.stdout + ended.stderr


def logged(operation: Operation) -> str:
    lines = JobLogLine.objects.filter(job__operation=operation).order_by("pk")
    return "\n".join(text for (text,) in lines.values_list("text"))


def tables_of(server: PrivateMysql) -> list[str]:
    found = server.execute(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE = 'BASE TABLE'"
        " AND TABLE_SCHEMA NOT IN ('mysql', 'sys', 'performance_schema', 'information_schema')"
    )
    return sorted(name for (name,) in found)


def test_a_restored_partial_backup_has_what_was_chosen(
    shop: PrivateMysql, instance: Instance, tmp_path: Path
) -> None:
    backup = taken(*CHOSEN)
    assert (backup.kind, backup.label[-2:]) == ("partial", "-P")
    assert backup.choice == {"include": ["shop.*"], "exclude": ["shop.log_*"]}
    # The donor sent the large table, and nothing of it was stored.
    assert int(backup.facts["dropped_bytes"]) > 8 << 20
    folder = restored(backup, tmp_path / "back")
    backup.refresh_from_db()
    at = shop.execute("SHOW BINARY LOG STATUS")[0][:2]
    assert (backup.binlog_file, backup.binlog_position) == at
    with PrivateMysql(folder, start_options(folder)) as server:
        assert tables_of(server) == sorted([*IN_SHOP, "far"])
        check_rows(server)
        assert executed(server) == executed(shop)
        # The trigger is whole, and the names of what was left out are free again.
        server.execute(
            "INSERT INTO shop.orders VALUES (2, 2)",
            *(f"CREATE TABLE shop.{name} (id INT PRIMARY KEY)" for name in ("log_a", "log_parts")),
            "CREATE TABLE shop.log_words (id INT PRIMARY KEY, t TEXT, FULLTEXT (t))",
            "CREATE TABLESPACE unkept ADD DATAFILE 'unkept.ibd'",
            "CREATE TABLE shop.log_apart (id INT PRIMARY KEY) TABLESPACE unkept",
        )
    log = logged(Operation.RESTORE)
    assert all(name in log for name in LEFT_OUT)
    assert "views of tables that are not in: shop.logged, shop.over_it" in log


def check_rows(server: PrivateMysql) -> None:
    for sql, rows in {
        "SELECT COUNT(*) FROM shop.parts": [(3,)],
        "SELECT id FROM shop.`ödd-na.me#x`": [(7,)],
        "SELECT id FROM shop.words WHERE MATCH (t) AGAINST ('hello')": [(1,)],
        "SELECT id FROM shop.shared": [(5,)],
        "SELECT id FROM shop.isam": [(9,)],
        "SELECT id FROM shop.far": [(4,)],
        "SELECT id FROM shop.big": [(1,)],
        "SELECT TABLESPACE_NAME FROM information_schema.FILES"
        " WHERE TABLESPACE_NAME IN ('kept', 'unkept')": [("kept",)],
    }.items():
        assert server.execute(sql) == rows, sql
    checked = server.execute(
        "CHECK TABLE shop.orders, shop.words, shop.parts, shop.isam, shop.shared, shop.far"
    )
    assert {row[3] for row in checked} == {"OK"}


def test_under_load_it_starts_too_and_its_parts_are_equal(
    shop: PrivateMysql, instance: Instance, tmp_path: Path
) -> None:
    prepare_bank(shop)
    # A pattern must match something.
    shop.execute("CREATE TABLE bank.gone (id INT PRIMARY KEY)")
    before = count(executed(shop))
    try:
        with Load(shop, writers=3) as load:
            backup = taken("--kind", "partial", "--include", "bank", "--exclude", "bank.gone*")
        assert load.errors == []
        folder = restored(backup, tmp_path / "back")
        assert "its redo log names tables that are not wanted" in logged(Operation.RESTORE)
        with PrivateMysql(folder, start_options(folder)) as server:
            assert tables_of(server) == ["account", "log"]
            assert server.execute("SELECT SUM(amount) FROM bank.account") == [(TOTAL,)]
            checked = server.execute("CHECK TABLE bank.account, bank.log")
            assert {row[3] for row in checked} == {"OK"}
            # Each transaction has a row there.
            assert count(executed(server)) - before == log_rows(server)
    finally:
        shop.execute("DROP DATABASE bank", "DROP DATABASE IF EXISTS churn")


def test_a_restore_test_of_it_proves_it_and_not_the_instance(
    instance: Instance, tmp_path: Path
) -> None:
    backup = taken("--kind", "partial", "--include", "shop.orders")
    done(run_command("testrestore", backup.label, "--foreground", "--json"))
    proof = Evidence.objects.get(copy__backup=backup, operation=Operation.RESTORE_TEST)
    assert proof.passed
    assert proof.report["partial"] == "shop.orders"
    named = {(table["schema"], table["name"]) for table in proof.report["tables"]}
    assert {each for each in named if each[0] not in ("mysql", "sys")} == {("shop", "orders")}
    assert "foreign keys to tables that are not in: shop.orders → shop.people" in logged(
        Operation.RESTORE_TEST
    )
    done(run_command("verifybackup", backup.label, "--pages", "--foreground", "--json"))
    out = tmp_path / "orders.sql"
    words = ("--sql", str(out), "--foreground", "--json")
    done(run_command("restoretable", backup.label, "--table", "shop.orders", *words))
    assert "INSERT INTO" in out.read_text()
    refused = run_command("restoretable", backup.label, "--table", "shop.people", *words)
    assert refused.exit_code != 0
    assert f"shop.people is not in {backup.label}" in refused.stdout + refused.stderr
    assert judge_one(instance, schedules_of([instance.pk]), now()).level is Level.UNPROTECTED
    assert not restorable_backups().exists()


def test_a_dry_run_shows_what_would_be_in(instance: Instance) -> None:
    ended = take("--kind", "partial", "--include", "shop.orders", "--dry-run")
    done(ended)
    found = ended.json()
    assert found["tables"] == ["shop.orders"]
    assert found["cut_foreign_keys"] == ["shop.orders → shop.people"]
    assert found["not_in"] == 19
    tables = next(check for check in found["checks"] if check["name"] == "tables")
    assert "the donor sends all of its " in tables["found"]
    assert not Job.objects.filter(operation=Operation.BACKUP).exists()


def test_killed_while_it_drops_tables_a_restore_is_cleared_away(
    shop: PrivateMysql, tmp_path: Path
) -> None:
    target = tmp_path / "back"
    with CloneSite(tmp_path / "home") as site:
        site.set_up(shop)
        site.run(*TAKE, "--kind", "partial", "--include", "shop.orders")
        ((label,),) = site.rows("SELECT label FROM backups_backup")
        words = ("restorebackup", label, "--to", str(target), "--foreground")
        victim = site.start(HELD, "restore", "prepare", DROPPING, *words)
        wait_until((site.home / "held").exists)
        assert (target / ".mooring-restore").exists()
        assert site.kill(victim) == -signal.SIGKILL
        site.tick()
        assert site.rows("SELECT status, leftovers FROM backups_job ORDER BY id DESC LIMIT 1") == [
            ("lost", 0)
        ]
        assert not target.exists() or not list(target.iterdir())
