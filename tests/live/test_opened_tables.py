"""A few tables of a backup in a private server, on both products, under load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pytest_django import Settings

from backups.catalog.copies import copy_to_read
from backups.engines.base import PrepareWatch
from backups.exceptions import BadInput
from backups.models import BackupCopy, Repository
from backups.opened_tables.open import OpenedTables, open_tables
from backups.table_names.names import TableName
from tests.live.clone_jobs import make_main, taken
from tests.live.two_products import PRODUCTS, Product, serving

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

FILL = "SELECT n, REPEAT(CHAR(97 + n % 26), 200) FROM shop.numbers"
SETUP = (
    "CREATE DATABASE shop",
    "CREATE TABLE shop.numbers (n INT PRIMARY KEY)",
    "INSERT INTO shop.numbers VALUES (1), (2), (3), (4), (5), (6), (7), (8)",
    *(
        "INSERT INTO shop.numbers SELECT n + (SELECT MAX(n) FROM shop.numbers) FROM shop.numbers"
        for _ in range(9)
    ),
    "CREATE TABLE shop.`odd-näme ξ` (id INT PRIMARY KEY, note VARCHAR(200))",
    f"INSERT INTO shop.`odd-näme ξ` {FILL}",
    "CREATE TABLE shop.parted (id INT PRIMARY KEY, note VARCHAR(200))"
    " PARTITION BY HASH (id) PARTITIONS 3",
    f"INSERT INTO shop.parted {FILL}",
    "CREATE TABLE shop.texts (id INT PRIMARY KEY, note TEXT, FULLTEXT KEY words (note))",
    f"INSERT INTO shop.texts {FILL}",
    "CREATE TABLE shop.big (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(200))",
    *("INSERT INTO shop.big (note) SELECT REPEAT('x', 200) FROM shop.numbers" for _ in range(10)),
    "CREATE VIEW shop.seen AS SELECT 1",
)
WANTED = ("odd-näme ξ", "parted", "texts")


class Watch(PrepareWatch):
    """Remembers what is logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def log(self, source: str, text: str, level: str = "info") -> None:
        self.lines.append(text)

    def check(self) -> None:
        """Go on."""

    def alive(self) -> None:
        """Go on."""

    def redo_applied(self, redo: object) -> None:
        """Not looked at."""

    def process_started(self, group: int, started: float) -> None:
        """They end with this process."""

    # Any: of every kind.
    def ending_by(self, hook: object) -> Any:
        return nullcontext()


@pytest.fixture(scope="module", params=PRODUCTS)
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    with serving(request.param, tmp_path_factory.mktemp("opened") / "data") as product:
        product.run(*SETUP)
        yield product


@pytest.fixture
def main(tmp_path: Path, settings: Settings) -> Repository:
    settings.DEFINITIONS_SECONDS = 60
    return make_main(tmp_path, settings)


@pytest.fixture
def copy(product: Product, main: Repository) -> BackupCopy:
    product.add()
    with product.writing("INSERT INTO shop.big (note) SELECT note FROM shop.big LIMIT 100"):
        return copy_to_read(taken())


def rows_of(opened: OpenedTables, table: str) -> list[tuple[Any, ...]]:
    with opened.connect() as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*), SUM(CRC32(note)) FROM shop.`{table}`")
        found = list(cursor.fetchall())
        cursor.execute(f"CHECK TABLE shop.`{table}`")
        assert [line[-1] for line in cursor.fetchall()] == ["OK"], table
    return found


def test_only_the_wanted_tables_are_read(
    product: Product, copy: BackupCopy, settings: Settings
) -> None:
    watch = Watch()
    tables = [TableName("shop", name) for name in WANTED]
    with open_tables(copy, tables, watch) as opened:
        for name in WANTED:
            expected = product.run(f"SELECT COUNT(*), SUM(CRC32(note)) FROM shop.`{name}`")
            assert rows_of(opened, name) == expected
        assert not list((opened.folder / "shop").glob("big.ibd"))
        # What is read: the system's files and three small tables of a growing big one.
        assert 0 < opened.read.read_bytes < opened.read.stored_bytes
        assert opened.found.part.bytes < (copy.backup.raw_bytes or 0)
        server = opened.server
    # Of a busy server the redo log names tables that are not there.
    assert any("passed over" in line for line in watch.lines) == product.is_mysql
    assert server.pid is None
    assert list(Path(settings.SCRATCH_FOLDER).iterdir()) == []


def test_a_server_for_reading_refuses_to_write(product: Product, copy: BackupCopy) -> None:
    table = TableName("shop", "parted")
    with open_tables(copy, [table], Watch(), read_only=True) as opened:
        assert rows_of(opened, "parted")[0][0] == 4096
        with pytest.raises(pymysql.Error), opened.connect() as connection:
            connection.cursor().execute("DELETE FROM shop.parted")


def test_what_is_no_table_is_refused(copy: BackupCopy) -> None:
    for name, why in {"seen": "is a view", "none": "has no table shop.none"}.items():
        refused = pytest.raises(BadInput, match=why)
        with refused, open_tables(copy, [TableName("shop", name)], Watch()):
            raise AssertionError(name)
