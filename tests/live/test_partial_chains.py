"""Increments of partial backups of a real MariaDB: what is renamed, dropped and created between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backups.instances.grants import NEEDED
from backups.models import Backup, Evidence, Instance, Repository
from backups.programs.private_server import PrivateServer, ServerOptions
from backups.states import Operation
from tests.commands import run_command
from tests.live.restored_server import RestoredServer
from tests.live.server import LiveServer, free_port, new_mariadb
from tests.live.test_first_backup import PASSWORD, add_instance, main
from tests.live.test_partial import CHOSEN, known_to_innodb, restored, taken

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

__all__ = ["main"]

# Several pages each, so that an increment has something not to store.
FILLED = ("orders", "leaves", "becomes", "emptied", "one", "two", "swaps", "reborn", "gone")
SHOP = (
    "CREATE DATABASE shop",
    "CREATE DATABASE other",
    "USE shop",
    *(
        f"CREATE TABLE shop.{name} (id INT PRIMARY KEY, t VARCHAR(200)) AS"
        f" SELECT seq AS id, CONCAT('{name} ', seq, REPEAT('x', 100)) AS t FROM seq_1_to_3000"
        for name in FILLED
    ),
    "CREATE TABLE shop.parts (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3",
    "INSERT INTO shop.parts SELECT seq FROM seq_1_to_500",
    "CREATE TABLE shop.words (id INT PRIMARY KEY, t TEXT, FULLTEXT (t))",
    "INSERT INTO shop.words VALUES (1, 'hello world')",
    "CREATE TABLE shop.isam (id INT) ENGINE=MyISAM",
    "CREATE TABLE shop.log_b (id INT PRIMARY KEY) AS SELECT seq AS id FROM seq_1_to_40",
    "CREATE TABLE other.comes (id INT PRIMARY KEY) AS SELECT seq AS id FROM seq_1_to_50",
    "CREATE TABLE other.swaps (id INT PRIMARY KEY) AS SELECT seq AS id FROM seq_1_to_60",
    "CREATE USER bk@'127.0.0.1' IDENTIFIED BY '" + PASSWORD + "'",
    f"GRANT {', '.join(NEEDED)}, SHOW VIEW, TRIGGER ON *.* TO bk@'127.0.0.1'",
)
# Into the choice, out of it, within it and across it in both directions at once.
CHANGES = (
    "USE shop",
    "UPDATE shop.orders SET t = 'changed' WHERE id % 1000 = 0",
    "RENAME TABLE other.comes TO shop.came",
    "RENAME TABLE shop.log_b TO shop.unlogged",
    "RENAME TABLE shop.leaves TO other.left_it",
    "RENAME TABLE shop.becomes TO shop.log_becomes",
    "RENAME TABLE shop.one TO shop.aside, shop.two TO shop.one, shop.aside TO shop.two",
    "RENAME TABLE shop.swaps TO other.aside, other.swaps TO shop.swaps, other.aside TO other.swaps",
    "RENAME TABLE shop.reborn TO other.reborn",
    "CREATE TABLE shop.reborn (id INT PRIMARY KEY) AS SELECT seq AS id FROM seq_1_to_70",
    "TRUNCATE TABLE shop.emptied",
    "DROP TABLE shop.gone",
    "CREATE TABLE shop.added (id INT PRIMARY KEY) AS SELECT seq AS id FROM seq_1_to_80",
    "DELETE FROM shop.parts WHERE id > 400",
    "INSERT INTO shop.words VALUES (2, 'goodbye')",
    "INSERT INTO shop.isam VALUES (5)",
)
BACK = (
    "UPDATE other.left_it SET t = 'returned' WHERE id = 7",
    "RENAME TABLE other.left_it TO shop.leaves",
    "RENAME TABLE shop.came TO other.comes",
)
NEXT = (*CHOSEN, "--incremental")


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


def rows_of(server: LiveServer) -> dict[str, object]:
    """Return the rows of every table of the choice."""
    tables = server.execute(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop'"
        " AND TABLE_NAME NOT LIKE 'log%' ORDER BY TABLE_NAME"
    )
    return {name: server.execute(f"SELECT * FROM shop.{name} ORDER BY 1") for (name,) in tables}


def sound(server: LiveServer, tables: dict[str, object]) -> bool:
    names = ", ".join(f"shop.{name}" for name in tables)
    return {row[3] for row in server.execute(f"CHECK TABLE {names}")} == {"OK"}


def test_a_chain_restores_the_tables_that_match_when_its_last_link_was_taken(
    shop: LiveServer, instance: Instance, tmp_path: Path
) -> None:
    first = taken(*NEXT)
    shop.execute(*CHANGES)
    second, then = taken(*NEXT), rows_of(shop)
    whole = taken()
    shop.execute(*BACK)
    third, now = taken(*NEXT), rows_of(shop)

    assert [each.base for each in (first, second, third)] == [None, first, second]
    assert {each.kind for each in (first, second, third)} == {"partial"}
    assert third.label.endswith("-P")
    # The redo log is in both, as long as it happens to be.
    assert (second.stored_bytes or 0) < 0.8 * (first.stored_bytes or 0)
    with RestoredServer(restored(second, tmp_path / "second")) as server:
        assert rows_of(server) == then
        assert sound(server, then)
        found = server.execute("SELECT id FROM shop.words WHERE MATCH (t) AGAINST ('goodbye')")
        assert found == [(2,)]
        # What left the choice is in neither the folder nor InnoDB's dictionary.
        assert not {name for name in known_to_innodb(server) if not name.startswith("shop/")}
        server.execute(
            "CREATE TABLE shop.leaves (id INT PRIMARY KEY)",
            "CREATE TABLE shop.log_becomes (id INT PRIMARY KEY)",
            "CREATE TABLE shop.gone (id INT PRIMARY KEY)",
            "CREATE DATABASE other",
            "CREATE TABLE other.left_it (id INT PRIMARY KEY)",
            "CREATE TABLE other.swaps (id INT PRIMARY KEY)",
        )
    # The table that crossed the patterns in a full backup, opened without the others.
    words = ("--table", "shop.swaps", "--to", str(tmp_path / "one"))
    ended = run_command("restoretable", whole.label, *words, "--foreground")
    assert ended.exit_code == 0, ended.stdout + ended.stderr
    with RestoredServer(restored(third, tmp_path / "third")) as server:
        assert rows_of(server) == now
        assert sound(server, now)
    with RestoredServer(restored(first, tmp_path / "first")) as server:
        assert set(rows_of(server)) == {*FILLED, "parts", "words", "isam"}


def test_a_chain_is_proven_kept_and_consolidated(
    shop: LiveServer, instance: Instance, tmp_path: Path
) -> None:
    first, second = taken(*NEXT), taken(*NEXT)
    shop.execute("DELETE FROM shop.orders WHERE id > 2000")
    third, now = taken(*NEXT), rows_of(shop)
    for command in ("verifybackup", "testrestore"):
        ended = run_command(command, third.label, "--foreground", "--json")
        assert ended.exit_code == 0, ended.stdout + ended.stderr
    proof = Evidence.objects.get(copy__backup=third, operation=Operation.RESTORE_TEST)
    assert proof.passed
    assert proof.report["partial"] == "shop.* without shop.log_*"
    refused = run_command("purgebackup", first.label, "--foreground", "--json")
    assert refused.exit_code == 3
    assert second.label in refused.stdout

    ended = run_command("consolidatebackup", third.label, "--foreground", "--json")
    assert ended.exit_code == 0, ended.stdout + ended.stderr
    made = Backup.objects.get(consolidated_from=third.label)
    assert (made.kind, made.base, made.choice) == ("partial", None, third.choice)
    with RestoredServer(restored(made, tmp_path / "made")) as server:
        assert rows_of(server) == now
    # It is the next base.
    assert taken(*NEXT).base == made


def test_another_choice_of_tables_is_no_base(instance: Instance) -> None:
    taken(*CHOSEN)
    other = taken("--kind", "partial", "--include", "shop.orders", "--incremental")
    assert other.base is None
    assert other.made_by is not None
    reason = "there is no stored partial backup of shop.orders to go on from"
    assert other.made_by.kind_reason == reason
    whole = taken("--kind", "incremental")
    assert (whole.kind, whole.base) == ("full", None)
    assert taken(*NEXT).base == Backup.objects.filter(choice__exclude=["shop.log_*"]).last()
