"""Partial backups of a real MariaDB: taken, stored, restored, started and tested."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.timezone import now

from backups.health.protection_facts import restorable_backups, schedules_of
from backups.health.protection_rows import judge_one
from backups.instances.grants import NEEDED
from backups.models import Backup, Evidence, Instance, Job, JobLogLine, Repository
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.protection import Level
from backups.states import JobStatus, Operation
from tests.commands import Ended, run_command
from tests.live.restored_server import RestoredServer
from tests.live.server import LiveServer, free_port, new_mariadb
from tests.live.test_first_backup import PASSWORD, add_instance, main

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

__all__ = ["main"]

SHOP = (
    "CREATE DATABASE shop CHARACTER SET latin1",
    "CREATE DATABASE other",
    "CREATE DATABASE `we-ird.one`",
    "USE shop",
    "CREATE TABLE people (id INT PRIMARY KEY)",
    "CREATE TABLE orders (id INT PRIMARY KEY, who INT, FOREIGN KEY (who) REFERENCES people (id))",
    "CREATE TABLE log_a (id INT PRIMARY KEY, t TEXT)",
    "INSERT INTO log_a SELECT seq, REPEAT('x', 200) FROM seq_1_to_20000",
    "CREATE TABLE log_parts (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 2",
    "CREATE TABLE log_words (id INT PRIMARY KEY, t TEXT, FULLTEXT (t))",
    "CREATE TABLE words (id INT PRIMARY KEY, t TEXT, FULLTEXT (t))",
    "INSERT INTO words VALUES (1, 'hello world')",
    "CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3",
    "INSERT INTO parts SELECT seq FROM seq_1_to_100",
    "CREATE TABLE aria (id INT) ENGINE=Aria",
    "CREATE TABLE isam (id INT) ENGINE=MyISAM",
    "CREATE SEQUENCE numbers",
    "CREATE TABLE `ödd-na.me#x` (id INT PRIMARY KEY)",
    "INSERT INTO `ödd-na.me#x` VALUES (7)",
    "CREATE VIEW big AS SELECT * FROM orders",
    "CREATE TRIGGER stamp BEFORE INSERT ON orders FOR EACH ROW SET NEW.who = 1",
    "INSERT INTO people VALUES (1), (2)",
    "INSERT INTO orders VALUES (1, 1)",
    "CREATE TABLE other.t (id INT PRIMARY KEY)",
    "CREATE TABLE `we-ird.one`.t (id INT PRIMARY KEY)",
    "CREATE USER bk@'127.0.0.1' IDENTIFIED BY '" + PASSWORD + "'",
    f"GRANT {', '.join(NEEDED)}, SHOW VIEW, TRIGGER ON *.* TO bk@'127.0.0.1'",
)
IN_SHOP = ["aria", "big", "isam", "numbers", "orders", "parts", "people", "words", "ödd-na.me#x"]
CHOSEN = ("--kind", "partial", "--include", "shop.*", "--exclude", "shop.log_*")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("partial") / "data"
    new_mariadb(folder)
    settings = ServerOptions(port=free_port(), server_id=1, binlog=True)
    with PrivateServer(folder, settings) as server:
        assert settings.port is not None
        live = LiveServer(server, "127.0.0.1", settings.port)
        live.execute(*SHOP)
        yield live


@pytest.fixture
def instance(shop: LiveServer, main: Repository) -> Instance:
    return add_instance(shop.server, name="shop-1")


def take(*words: str) -> Ended:
    return run_command("takebackup", "shop-1", *words, "--foreground", "--json")


def taken(*words: str) -> Backup:
    ended = take(*words)
    assert ended.exit_code == 0, ended.stdout
    return Backup.objects.get(label=ended.json()["label"])


def restored(backup: Backup, folder: Path) -> Path:
    ended = run_command(
        "restorebackup", backup.label, "--to", str(folder), "--foreground", "--json"
    )
    assert ended.exit_code == 0, ended.stdout + ended.stderr
    return folder


def known_to_innodb(server: LiveServer) -> set[str]:
    names = server.execute(
        "SELECT NAME FROM information_schema.INNODB_SYS_TABLES WHERE NAME LIKE '%/%'"
        " AND NAME NOT LIKE 'mysql/%' AND NAME NOT LIKE '%/FTS%'"
    )
    return {name.partition("#")[0] for (name,) in names}


def test_a_restored_partial_backup_has_what_was_chosen(instance: Instance, tmp_path: Path) -> None:
    backup = taken(*CHOSEN)
    assert backup.kind == "partial"
    assert backup.label.endswith("-P")
    assert backup.choice == {"include": ["shop.*"], "exclude": ["shop.log_*"]}
    with RestoredServer(restored(backup, tmp_path / "back")) as server:
        tables = server.execute(
            "SELECT TABLE_NAME FROM information_schema.TABLES"
            " WHERE TABLE_SCHEMA IN ('shop', 'other', 'we-ird.one') ORDER BY TABLE_NAME"
        )
        assert sorted(name for (name,) in tables) == IN_SHOP
        assert server.execute("SELECT COUNT(*) FROM shop.parts") == [(100,)]
        assert server.execute("SELECT id FROM shop.`ödd-na.me#x`") == [(7,)]
        found = server.execute("SELECT id FROM shop.words WHERE MATCH (t) AGAINST ('hello')")
        assert found == [(1,)]
        assert server.execute("SHOW CREATE DATABASE shop")[0][1].count("latin1_swedish") == 1
        checked = server.execute("CHECK TABLE shop.orders, shop.words, shop.parts, shop.isam")
        assert {row[3] for row in checked} == {"OK"}
        # The trigger is whole, and the names of what was left out are free again.
        server.execute(
            "INSERT INTO shop.orders VALUES (2, 2)",
            "DROP TRIGGER shop.stamp",
            "CREATE TABLE shop.log_a (id INT PRIMARY KEY)",
            "CREATE TABLE shop.log_parts (id INT PRIMARY KEY)",
            "CREATE TABLE shop.log_words (id INT PRIMARY KEY, t TEXT, FULLTEXT (t))",
            "CREATE DATABASE other",
            "CREATE TABLE other.t (id INT PRIMARY KEY)",
        )
        assert {name for name in known_to_innodb(server) if not name.startswith("shop/")} == {
            "other/t"
        }
    logged = JobLogLine.objects.filter(job__operation=Operation.RESTORE).values_list("text")
    assert any("removed from InnoDB's dictionary" in text for (text,) in logged)


def test_a_restore_test_of_it_proves_it_and_not_the_instance(instance: Instance) -> None:
    backup = taken("--kind", "partial", "--include", "shop.orders")
    ended = run_command("testrestore", backup.label, "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout + ended.stderr
    proof = Evidence.objects.get(copy__backup=backup, operation=Operation.RESTORE_TEST)
    assert proof.passed
    assert proof.report["partial"] == "shop.orders"
    answer = judge_one(instance, schedules_of([instance.pk]), now())
    assert answer.level is Level.UNPROTECTED
    assert not restorable_backups().exists()
    replayed = run_command(
        "restorebackup", backup.label, "--to", "/tmp/x", "--until", "2126-01-01 00:00:00 UTC"
    )
    assert replayed.exit_code != 0
    assert "chosen tables only" in replayed.stderr


def test_a_dry_run_shows_what_would_be_in(instance: Instance) -> None:
    ended = take("--kind", "partial", "--include", "shop.orders", "--dry-run")
    assert ended.exit_code == 0, ended.stdout
    found = ended.json()
    assert found["tables"] == ["shop.orders"]
    assert found["cut_foreign_keys"] == ["shop.orders → shop.people"]
    assert found["not_in"] == 13
    assert not Job.objects.filter(operation=Operation.BACKUP).exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--include", "shop.orders", "--include", "shop.gone_*"), "no table matches shop.gone_*"),
        (("--include", "shop.orders", "--exclude", "shop.*"), "no table is left of"),
        (("--include", "mysql.user"), "no table matches mysql.user"),
    ],
)
def test_patterns_that_match_nothing_are_refused(
    instance: Instance, words: tuple[str, ...], message: str
) -> None:
    ended = take("--kind", "partial", *words)
    assert ended.exit_code == 3
    job = Job.objects.get(operation=Operation.BACKUP)
    assert job.status == JobStatus.REFUSED
    assert message in job.error


def test_an_account_that_may_not_see_all_tables_is_refused(
    shop: LiveServer, instance: Instance
) -> None:
    shop.execute("REVOKE TRIGGER ON *.* FROM bk@'127.0.0.1'")
    try:
        ended = take("--kind", "partial", "--include", "shop.orders")
    finally:
        shop.execute("GRANT TRIGGER ON *.* TO bk@'127.0.0.1'")
    assert ended.exit_code == 3
    assert "missing TRIGGER" in ended.stdout
    assert "GRANT TRIGGER ON *.*" in ended.stdout
