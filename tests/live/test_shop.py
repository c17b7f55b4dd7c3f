"""The demo's shop: its writer keeps every promise, and its proof notices what breaks one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pymysql.connections import Connection

from backups.programs.private_server import PrivateServer, ServerOptions
from scripts import shop, shop_fill
from scripts.proof import prove
from scripts.shop import RowSum
from tests.live.server import new_mariadb

pytestmark = pytest.mark.live

SMALL = {
    "CUSTOMERS": 200,
    "PRODUCTS": 50,
    "ORDERS": 300,
    "EVENTS": 400,
    "ACCOUNTS": 20,
    "TRANSFERS": 100,
    "INVOICES": 50,
    "LETTERS": 50,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop") / "data"
    new_mariadb(folder)
    return folder


@pytest.fixture(scope="module")
def sums(folder: Path) -> Iterator[dict[str, RowSum]]:
    with pytest.MonkeyPatch.context() as patch:
        for name, rows in SMALL.items():
            patch.setattr(shop_fill, name, rows)
        with PrivateServer(
            folder, ServerOptions(options={"innodb-log-file-size": "16M"})
        ) as server:
            with server.connect() as connection:
                assert not shop.is_filled(connection)
            made = shop.fill(server.connect)
            with server.connect() as connection:
                assert shop.is_filled(connection)
        yield made


def broken(connection: Connection) -> list[str]:
    return [one.name for one in shop.check_invariants(connection) if not one.ok]


def test_the_writer_keeps_every_promise(folder: Path, sums: dict[str, RowSum]) -> None:
    with PrivateServer(folder) as server, server.connect() as connection:
        assert broken(connection) == []
        before = shop.postings(connection)
        left = iter(range(60))
        written = shop.write(
            connection, per_second=1e6, wanted=lambda: next(left, None) is not None
        )
        assert written == 60
        assert shop.postings(connection) > before
        assert broken(connection) == []
        assert shop.row_sums(connection) == sums


@pytest.mark.parametrize(
    ("damage", "promises"),
    [
        (
            "DELETE FROM billing.ledger ORDER BY id DESC LIMIT 1",
            [
                "every transfer is balanced",
                "every posting is counted",
                "every balance is its postings",
            ],
        ),
        (
            "UPDATE billing.accounts SET balance_cents = balance_cents + 1 WHERE id = 7",
            ["no money appears or vanishes", "every balance is its postings"],
        ),
        ("DELETE FROM shop.order_items WHERE order_id = 9", ["every total is its items"]),
        ("UPDATE billing.counters SET value = 0 WHERE name = 'orders'", ["every order is counted"]),
    ],
)
def test_a_copy_that_breaks_a_promise_is_noticed(
    damage: str, promises: list[str], folder: Path, sums: dict[str, RowSum]
) -> None:
    with PrivateServer(folder) as server, server.connect() as connection:
        # Everything the writer touches can be put back by a rollback.
        connection.begin()
        with connection.cursor() as cursor:
            cursor.execute(damage)
        found = [
            name
            for name, _, expected, got in shop.PROMISES
            if shop._number(connection, expected) != shop._number(connection, got)
        ]
        connection.rollback()
    assert found == promises


def test_the_proof_holds_for_the_shop_and_not_for_another(
    folder: Path, sums: dict[str, RowSum]
) -> None:
    assert prove(folder, password="", expected=sums).holds
    table = "`archive`.`letters`"
    other = sums | {table: RowSum(sums[table].rows, sums[table].checksum + 1)}
    proof = prove(folder, password="", expected=other)
    assert not proof.holds
    assert proof.differing == (table,)
