"""Accounts whose sum never changes, and a writer that moves money between them."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

from pymysql.connections import Connection

ACCOUNTS, OPENING = 500, 1000
TOTAL = ACCOUNTS * OPENING
# Something of every sort of table a copy treats in its own way.
TABLES = (
    "CREATE DATABASE bank",
    "CREATE TABLE bank.accounts (id INT PRIMARY KEY, money BIGINT NOT NULL) ENGINE=InnoDB",
    "CREATE TABLE bank.moves (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(400)) ENGINE=InnoDB",
    "CREATE TABLE bank.visits (id INT PRIMARY KEY) ENGINE=MyISAM",
    "CREATE TABLE bank.`od-d näme` (id INT PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 3",
    "CREATE TABLE bank.notes (id INT PRIMARY KEY, t TEXT) ENGINE=InnoDB ROW_FORMAT=COMPRESSED",
    "CREATE VIEW bank.rich AS SELECT * FROM bank.accounts WHERE money > 1000",
    "USE bank",
    f"INSERT INTO accounts SELECT seq, {OPENING} FROM seq_1_to_{ACCOUNTS}",
    "INSERT INTO moves SELECT seq, REPEAT(MD5(seq), 12) FROM seq_1_to_30000",
    "INSERT INTO visits SELECT seq FROM seq_1_to_1000",
    "INSERT INTO `od-d näme` SELECT seq FROM seq_1_to_1000",
    "INSERT INTO notes SELECT seq, REPEAT('x', 500) FROM seq_1_to_500",
)


def open_bank(connection: Connection) -> None:
    for statement in TABLES:
        _run(connection, statement)


def sum_of(connection: Connection) -> int:
    (row,) = _run(connection, "SELECT SUM(money) FROM bank.accounts")
    return int(row[0])


def unsound_tables(connection: Connection) -> list[str]:
    """Every table of the bank with something against it."""
    names = [row[0] for row in _run(connection, "SHOW FULL TABLES FROM bank") if "VIEW" not in row]
    assert len(names) == 5
    said = [_run(connection, f"CHECK TABLE bank.`{name}`") for name in names]
    return [str(line) for lines in said for line in lines if line[3] != "OK"]


class Teller:
    """Moves money all the time, in transactions, until the context is left."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connection = connect()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work)
        self.moves = 0

    def __enter__(self) -> Teller:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        chance = random.Random(1)
        while not self._over.wait(0.002):
            giver, taker = chance.sample(range(1, ACCOUNTS + 1), 2)
            _run(self._connection, "BEGIN")
            for account, amount in ((giver, -7), (taker, 7)):
                sql = f"UPDATE bank.accounts SET money = money + {amount} WHERE id = {account}"
                _run(self._connection, sql)
            _run(self._connection, f"INSERT INTO bank.moves (note) VALUES ('{giver} to {taker}')")
            _run(self._connection, "COMMIT")
            self.moves += 1


def _run(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    """Any: SQL's values."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
