"""A believable shop in a MariaDB: fill it, keep it busy, and check what must always hold.

    python -m scripts.shop fill|write|check --socket PATH [--user root] [--password-file FILE]

Every transaction of the writer keeps the promises below, so they hold at any moment a copy
can be consistent at. A copy that breaks one is not a copy.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pymysql
from pymysql.connections import Connection

from scripts import shop_fill

# The writer never touches these: a restored copy has exactly the rows of the fill.
STATIC_TABLES = (
    "`shop`.`customers`",
    "`shop`.`products`",
    "`shop`.`events`",
    "`shop`.`select`",
    "`archive`.`invoices_2019`",
    "`archive`.`letters`",
    "`archive`.`visits`",
    "`mail-order 1998`.`catalogue #3 (final)`",
)
# What is promised, in what it is counted, what must be found, and what is found.
PROMISES = (
    (
        "no money appears or vanishes",
        "cents",
        "SELECT SUM(opening_cents) FROM billing.accounts",
        "SELECT SUM(balance_cents) FROM billing.accounts",
    ),
    (
        "every transfer is balanced",
        "cents lost on the way",
        "SELECT 0",
        "SELECT SUM(amount_cents) FROM billing.ledger",
    ),
    (
        "every posting is counted",
        "postings",
        "SELECT value FROM billing.counters WHERE name = 'postings'",
        "SELECT COUNT(*) FROM billing.ledger",
    ),
    (
        "every balance is its postings",
        "accounts differ",
        "SELECT 0",
        "SELECT COUNT(*) FROM billing.accounts a LEFT JOIN (SELECT account_id, "
        "SUM(amount_cents) AS moved FROM billing.ledger GROUP BY account_id) l "
        "ON l.account_id = a.id WHERE a.balance_cents <> a.opening_cents + COALESCE(l.moved, 0)",
    ),
    (
        "every order is counted",
        "orders",
        "SELECT value FROM billing.counters WHERE name = 'orders'",
        "SELECT COUNT(*) FROM shop.orders",
    ),
    (
        "every total is its items",
        "orders differ",
        "SELECT 0",
        "SELECT COUNT(*) FROM shop.orders o LEFT JOIN (SELECT order_id, "
        "SUM(quantity * unit_price) AS total FROM shop.order_items GROUP BY order_id) i "
        "ON i.order_id = o.id WHERE o.total <> COALESCE(i.total, -1)",
    ),
)


@dataclass(frozen=True, slots=True)
class Invariant:
    """One promise and what was found."""

    name: str
    expected: int
    found: int
    unit: str

    @property
    def words(self) -> str:
        return f"{self.found:,} {self.unit}"

    @property
    def ok(self) -> bool:
        return self.expected == self.found


@dataclass(frozen=True, slots=True)
class RowSum:
    """What a table holds: how many rows, and a sum over every value in them."""

    rows: int
    checksum: int


def fill(
    connect: Callable[[], Connection], *, script: str = "", scale: int = 1
) -> dict[str, RowSum]:
    """Create the shop and return the sums of the tables that will never change."""
    with connect() as connection:
        shop_fill.create_schema(connection, script or shop_fill.schema())
    shop_fill.fill(connect, scale)
    with connect() as connection:
        return row_sums(connection)


def is_filled(connection: Connection) -> bool:
    """The counters are set last, so they say that a fill came to its end."""
    try:
        return _number(connection, "SELECT MIN(value) FROM billing.counters") > 0
    except pymysql.err.ProgrammingError:
        return False


def check_invariants(connection: Connection) -> list[Invariant]:
    """Ask a consistent copy, or a live shop in one snapshot, whether every promise holds."""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    checked = [
        Invariant(name, _number(connection, expected), _number(connection, found), unit)
        for name, unit, expected, found in PROMISES
    ]
    connection.rollback()
    return checked


def row_sums(connection: Connection) -> dict[str, RowSum]:
    """Read every row of the static tables."""
    sums = {}
    for table in STATIC_TABLES:
        with connection.cursor() as cursor:
            cursor.execute(f"CHECKSUM TABLE {table} EXTENDED")
            answer = cursor.fetchone()
        rows = _number(connection, f"SELECT COUNT(*) FROM {table}")
        sums[table] = RowSum(rows, int(answer[1]) if answer and answer[1] is not None else -1)
    return sums


def postings(connection: Connection) -> int:
    """Return how far the writer has come."""
    return _number(connection, "SELECT value FROM billing.counters WHERE name = 'postings'")


class Writer:
    """Somebody who shops: orders and payments, one transaction each."""

    def __init__(self, connection: Connection, seed: int | None = None) -> None:
        self._connection = connection
        self._random = random.Random(seed)

    def write_once(self) -> None:
        """Run one transaction; every promise holds before it and after it."""
        write = self._random.choice((self._transfer, self._transfer, self._order))
        self._connection.begin()
        with self._connection.cursor() as cursor:
            write(cursor)
        self._connection.commit()

    def _transfer(self, cursor: pymysql.cursors.Cursor) -> None:
        paying, paid = self._random.sample(range(1, shop_fill.ACCOUNTS + 1), 2)
        cents, transfer = self._random.randint(1, 5_000), str(uuid.uuid4())
        for account, amount in ((paying, -cents), (paid, cents)):
            cursor.execute(
                "UPDATE billing.accounts SET balance_cents = balance_cents + %s WHERE id = %s",
                (amount, account),
            )
            cursor.execute(
                "INSERT INTO billing.ledger (transfer, account_id, amount_cents, posted_at, note) "
                "VALUES (%s, %s, %s, NOW(6), 'transfer')",
                (transfer, account, amount),
            )
        cursor.execute("UPDATE billing.counters SET value = value + 2 WHERE name = 'postings'")

    def _order(self, cursor: pymysql.cursors.Cursor) -> None:
        cursor.execute(
            "INSERT INTO shop.orders (customer_id, placed_at, status, total, ship_to) "
            "SELECT id, NOW(3), 'new', 0, CONCAT(street, ', ', city) "
            "FROM shop.customers WHERE id = %s",
            (self._random.randint(1, shop_fill.CUSTOMERS),),
        )
        order, total = cursor.lastrowid, Decimal(0)
        for line in range(1, self._random.randint(2, 5)):
            product, quantity = self._random.randint(1, shop_fill.PRODUCTS), line
            cursor.execute("SELECT price FROM shop.products WHERE id = %s", (product,))
            (price,) = cursor.fetchone() or (Decimal(0),)
            cursor.execute(
                "INSERT INTO shop.order_items VALUES (%s, %s, %s, %s, %s)",
                (order, line, product, quantity, price),
            )
            total += quantity * price
        cursor.execute("UPDATE shop.orders SET total = %s WHERE id = %s", (total, order))
        cursor.execute("UPDATE billing.counters SET value = value + 1 WHERE name = 'orders'")


def write(connection: Connection, *, per_second: float, wanted: Callable[[], bool]) -> int:
    """Write at a steady pace while ``wanted``; return how many transactions it were."""
    writer, written, began = Writer(connection), 0, time.monotonic()
    while wanted():
        writer.write_once()
        written += 1
        time.sleep(max(0.0, began + written / per_second - time.monotonic()))
    return written


def _number(connection: Connection, query: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(query)
        answer = cursor.fetchone()
    return int(answer[0] or 0) if answer else 0


def _write_until_stopped(connection: Connection, per_second: float) -> int:
    signals: list[int] = []
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _frame: signals.append(number))
    written = write(connection, per_second=per_second, wanted=lambda: not signals)
    print(f"{written} transactions written")
    return 0


def _check(connection: Connection) -> int:
    invariants = check_invariants(connection)
    for one in invariants:
        print("ok    " if one.ok else "BROKEN", one.name, one.expected, one.found)
    return 0 if all(one.ok for one in invariants) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="The demo's shop.")
    parser.add_argument("action", choices=["fill", "write", "check"])
    parser.add_argument("--socket", required=True)
    parser.add_argument("--user", default="root")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--per-second", type=float, default=40)
    asked = parser.parse_args()
    password = asked.password_file.read_text().strip() if asked.password_file else ""

    def connect() -> Connection:
        return pymysql.connect(
            unix_socket=asked.socket, user=asked.user, password=password, autocommit=True
        )

    if asked.action == "fill":
        print(fill(connect))
        return 0
    with connect() as connection:
        if asked.action == "check":
            return _check(connection)
        return _write_until_stopped(connection, asked.per_second)


if __name__ == "__main__":
    sys.exit(main())
