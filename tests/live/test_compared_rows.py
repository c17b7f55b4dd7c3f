"""Rows of one table in two backups, on both products: only in one, changed, equal, by their key."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from backups.models import Activity, RowComparison, TableOpening
from backups.opened_tables.session import keep_open
from tests.commands import Ended, run_command
from tests.live.clone_jobs import make_main, taken
from tests.live.test_browsed_rows import until
from tests.live.two_products import PRODUCTS, Product, serving
from tests.markup import one_line
from tests.monitor.rows import make_user

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]

SETUP = (
    "DROP DATABASE IF EXISTS shop",
    "CREATE DATABASE shop",
    "CREATE TABLE shop.users (id BIGINT PRIMARY KEY, name VARCHAR(300), password VARCHAR(90),"
    " ratio FLOAT, photo LONGBLOB, extra JSON, place POINT, tag ENUM('b','a,','a'))",
    "INSERT INTO shop.users VALUES"
    " (1, 'Ada', 's3cret', 1, REPEAT(0xFF, 100), '{\"a\": 1}', ST_GeomFromText('POINT(1 2)'), 'a'),"
    " (2, 'Bob', 'hunter', 16777215, NULL, NULL, NULL, NULL),"
    " (3, NULL, NULL, NULL, NULL, NULL, NULL, 'b'), (4, 'still', '', 0.1, '', '[]', NULL, 'a')",
    "CREATE TABLE shop.`odd %s` (part ENUM('z','a'), word VARCHAR(20) COLLATE utf8mb4_general_ci,"
    " at DATETIME(3), raw VARBINARY(9), price DECIMAL(9,2), flags BIT(9), n INT, `per %s` INT,"
    " UNIQUE KEY `the %s` (part, word, at, raw, price, flags, `per %s`))",
    "ALTER TABLE shop.`odd %s` MODIFY part ENUM('z','a') NOT NULL, MODIFY word VARCHAR(20)"
    " COLLATE utf8mb4_general_ci NOT NULL, MODIFY at DATETIME(3) NOT NULL,"
    " MODIFY raw VARBINARY(9) NOT NULL, MODIFY price DECIMAL(9,2) NOT NULL,"
    " MODIFY flags BIT(9) NOT NULL, MODIFY `per %s` INT NOT NULL",
    "CREATE TABLE shop.words (word VARCHAR(30) PRIMARY KEY, n INT)",
    "INSERT INTO shop.words VALUES ('a', 1), ('a\\t', 2), ('B', 3), ('c', 4), ('ä b', 5),"
    " ('Zoë', 6), ('ß', 7), ('日本', 8), ('😀', 9), ('', 10), ('_x', 11)",
    "CREATE TABLE shop.heap (id INT)",
    "INSERT INTO shop.heap VALUES (1)",
    "CREATE TABLE shop.many (id INT PRIMARY KEY, n INT)",
    "INSERT INTO shop.many SELECT seq, seq FROM (WITH RECURSIVE s AS (SELECT 1 seq UNION ALL"
    " SELECT seq + 1 FROM s WHERE seq < 900) SELECT seq FROM s) AS t",
)
ODD = [
    f"('{part}', '{word}', '2026-03-02 01:02:03.5', {raw}, {price}, b'100000001', 1, 0)"
    for part in "za"
    for word in ("x", "x\\t", "É", "y")
    for raw, price in (("''", "10"), ("0xFF00", "9"), ("0xFF", "-1.5"))
]
CHANGES = (
    "UPDATE shop.users SET name = 'Ada L', password = 's4cret' WHERE id = 1",
    "UPDATE shop.users SET ratio = 16777216, extra = '{}' WHERE id = 2",
    "DELETE FROM shop.users WHERE id = 3",
    "INSERT INTO shop.users (id, name) VALUES (9, CONCAT('x', CHAR(27), '[2J'))",
    "UPDATE shop.`odd %s` SET n = 2 WHERE part = 'z' AND word = 'É' AND price = 9",
    "DELETE FROM shop.`odd %s` WHERE part = 'a' AND word = 'x' AND price < 0",
    "UPDATE shop.words SET word = 'b' WHERE word = 'B'",
    "DELETE FROM shop.words WHERE word = 'Zoë'",
    "DELETE FROM shop.many WHERE id % 3 = 0",
)


@pytest.fixture(scope="module", params=PRODUCTS)
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    with serving(request.param, tmp_path_factory.mktemp("compared") / "data") as product:
        yield product


@pytest.fixture
def labels(product: Product, tmp_path: Path, settings: Settings) -> tuple[str, str]:
    settings.DEFINITIONS_SECONDS = 60
    make_main(tmp_path, settings)
    product.add()
    product.run(*SETUP, f"INSERT INTO shop.`odd %s` VALUES {', '.join(ODD)}")
    first = taken()
    product.run(*CHANGES)
    return first, taken()


def compare(labels: tuple[str, str], table: str, *words: str) -> Ended:
    return run_command("comparebackups", *labels, "--table", table, "--rows", "--json", *words)


# Any: JSON.
def seen(labels: tuple[str, str], table: str, *words: str) -> dict[str, Any]:
    fields = compare(labels, table, *words).json()
    assert "error" not in fields, fields
    return fields


def test_rows_side_by_side(labels: tuple[str, str], settings: Settings) -> None:
    found = seen(labels, "shop.users")
    assert found["counts"] == {"only earlier": 1, "only later": 1, "changed": 2, "equal": 1}
    ada, bob, gone, new = found["rows"]
    # Of a secret it is seen that it differs, and nothing else.
    assert (ada["changed"], ada["later"][1:3]) == (
        ["name", "password"],
        ["Ada L", "*** (6 bytes)"],
    )
    # Two values that a FLOAT shows alike.
    assert bob["changed"] == ["ratio", "extra"]
    assert (gone["how"], gone["earlier"][0], gone["later"]) == ("only earlier", "3", None)
    assert (new["how"], new["later"][:2]) == ("only later", ["9", "x\\x1b[2J"])
    odd = seen(labels, "shop.odd %s")
    assert odd["key"] == ["part", "word", "at", "raw", "price", "flags", "per %s"]
    assert odd["counts"] == {"only earlier": 1, "only later": 0, "changed": 1, "equal": 22}
    assert [row["changed"] for row in odd["rows"]] == [["n"], []]
    words = seen(labels, "shop.words")
    # For the key, B and b are one.
    assert words["counts"] == {"only earlier": 1, "only later": 0, "changed": 1, "equal": 9}
    many = seen(labels, "shop.many", "--limit", "2")
    assert (many["counts"]["only earlier"], len(many["rows"])) == (300, 2)
    refused = compare(labels, "shop.heap")
    assert refused.exit_code != 0
    assert "no primary key" in refused.json()["error"]
    # Who looked is recorded before anything is opened, and how many rows differ.
    assert Activity.objects.filter(verb="viewed", details={"table": "shop.heap"}).count() == 2
    row = RowComparison.objects.get(name="users")
    assert (row.different, row.equal, row.complete) == (4, 1, True)
    assert list(Path(settings.SCRATCH_FOLDER).iterdir()) == []


def test_a_page_compares_rows_of_two_open_tables(
    labels: tuple[str, str], client: Client, settings: Settings
) -> None:
    client.force_login(make_user("ada", "admin"))
    table = {"with": labels[0], "schema": "shop", "table": "users"}
    opened = client.post(reverse("backup-compare-open", args=[labels[1]]), table)
    before, after = TableOpening.objects.order_by("pk")
    assert before.copy.backup.label == labels[0]
    pair = [before.pk, after.pk]
    assert opened["Location"] == reverse("opening-compare", args=pair)
    assert "waiting for a worker" in client.get(opened["Location"]).content.decode()
    owners = [threading.Thread(target=keep_open, args=[pk]) for pk in pair]
    for owner in owners:
        owner.start()
    for row, owner in zip((before, after), owners, strict=True):
        until(row, owner, lambda row: row.opened_at is not None)
    live = client.get(reverse("opening-compare-live", args=pair))
    assert live["HX-Refresh"] == "true"
    page = one_line(client.get(reverse("opening-compare-rows", args=pair)).content.decode())
    assert "1 only earlier, 1 only later, 2 changed, 1 equal, by the key id." in page
    assert "s4cret" not in page
    assert "x\\x1b[2J" in page
    client.post(reverse("opening-compare-close", args=pair))
    for owner in owners:
        owner.join(60)
        assert not owner.is_alive()
    assert list(Path(settings.SCRATCH_FOLDER).iterdir()) == []
    tables = reverse("backup-compare-tables", args=[labels[1]])
    shown = one_line(client.get(tables, {"with": labels[0]}).content.decode())
    assert "4 differ" in shown
