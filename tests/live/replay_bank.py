"""A bank whose writers are all in the binlog: what replays are tried with."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

from backups.programs.compatibility import MARIADB, MYSQL
from backups.programs.private_server import PrivateServer, ServerOptions
from tests.live.bank import ACCOUNTS, OPENING
from tests.live.binlog_folder import FolderBinlogs
from tests.live.mysql import PrivateMysql
from tests.live.replaying import Archive
from tests.live.server import new_mariadb

__all__ = ["ACCOUNTS", "CHECKSUMS", "MOVES", "OPENING", "WRITERS"]

# Any: SQL's values, the checksums of the source in the end.
Filled = tuple[Archive, list[tuple[Any, ...]]]
SCHEMA = (
    "CREATE DATABASE bank",
    "CREATE TABLE bank.accounts (id INT PRIMARY KEY, money BIGINT NOT NULL) ENGINE=InnoDB",
    "CREATE TABLE bank.moves (id INT PRIMARY KEY AUTO_INCREMENT, note VARCHAR(2000))",
    "CREATE TABLE bank.goods (id INT PRIMARY KEY, t TEXT)",
    "INSERT INTO bank.accounts VALUES "
    + ", ".join(f"({number}, {OPENING})" for number in range(1, ACCOUNTS + 1)),
)
# Whose effect a replica easily loses, and the mistakes to leave out.
LATER = (
    "CREATE USER teller@localhost",
    "GRANT SELECT ON bank.* TO teller@localhost",
    "CREATE EVENT bank.nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM bank.moves",
    "INSERT INTO bank.goods VALUES (1, 'one'), (2, 'two')",
    "DROP TABLE bank.goods",
    "CREATE TABLE IF NOT EXISTS bank.goods (id INT PRIMARY KEY, t TEXT)",
    "REPLACE INTO bank.goods VALUES (3, 'three')",
    "INSERT INTO bank.goods VALUES (9, 'a mistake')",
    "CREATE TABLE bank.kept (id INT PRIMARY KEY)",
    "INSERT INTO bank.kept VALUES (1)",
    "TRUNCATE TABLE bank.kept",
    "INSERT INTO bank.kept VALUES (2)",
)
CHECKSUMS = "CHECKSUM TABLE bank.accounts, bank.moves, bank.goods, bank.kept"
WRITERS, MOVES = 3, 120


def write(connect: Callable[[], Connection[Any]], seed: int) -> None:
    """Move money, in transactions."""
    chance = random.Random(seed)
    with connect() as connection, connection.cursor() as cursor:
        for _ in range(MOVES):
            # In one order: two of them never wait for each other.
            giver, taker = sorted(chance.sample(range(1, ACCOUNTS + 1), 2))
            cursor.execute("BEGIN")
            for account, amount in ((giver, -7), (taker, 7)):
                cursor.execute(
                    f"UPDATE bank.accounts SET money = money + {amount} WHERE id = {account}"
                )
            cursor.execute("INSERT INTO bank.moves (note) VALUES (REPEAT('x', 1500))")
            cursor.execute("COMMIT")


def fill(connect: Callable[[], Connection[Any]], later: Sequence[str]) -> list[tuple[Any, ...]]:
    """Write at the same time, then what follows; return the checksums. Any: SQL's values."""
    writers = [threading.Thread(target=write, args=(connect, seed)) for seed in range(WRITERS)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    with connect() as connection, connection.cursor() as cursor:
        for statement in later:
            cursor.execute(statement)
        cursor.execute(CHECKSUMS)
        return list(cursor.fetchall())


def mariadb_archive(folder: Path, later: Sequence[str] = LATER) -> Filled:
    """Make a MariaDB, a cold copy of it, and binlogs that follow the copy."""
    source, copy = folder / "source", folder / "copy"
    new_mariadb(source)
    options = {"max-binlog-size": "256K", "binlog-format": "ROW", "event-scheduler": "OFF"}
    settings = ServerOptions(binlog=True, server_id=1, options=options)
    with (
        PrivateServer(source, settings) as server,
        server.connect() as connection,
        connection.cursor() as cursor,
    ):
        for statement in SCHEMA:
            cursor.execute(statement)
        cursor.execute("SELECT @@GLOBAL.gtid_binlog_pos")
        ((gtids,),) = cursor.fetchall()
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("binlog.*"))
    with PrivateServer(source, settings) as server:
        with server.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW MASTER STATUS")
            ((file, position, *_),) = cursor.fetchall()
        wanted = fill(server.connect, later)
    return Archive(MARIADB, copy, FolderBinlogs(source), file, position, gtids), wanted


def mysql_archive(folder: Path, mode: str, later: Sequence[str] = LATER) -> Filled:
    """Make a MySQL, a cold copy of it, and binlogs that follow; ``mode`` is its GTID mode."""
    source, copy = folder / "source", folder / "copy"
    options = {"max-binlog-size": "256K", "gtid-mode": mode, "enforce-gtid-consistency": mode}
    with PrivateMysql(source, options) as server:
        server.execute(*SCHEMA)
        ((gtids,),) = server.execute("SELECT @@GLOBAL.gtid_executed")
        server.stop()
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("binlog.*", "auto.cnf"))
    with PrivateMysql(source, options) as server:
        ((file, position, *_),) = server.execute("SHOW BINARY LOG STATUS")
        wanted = fill(server.connect, later)
        server.stop()
    binlogs = FolderBinlogs(source)
    return Archive(MYSQL, copy, binlogs, file, position, gtids, gtid_mode=mode), wanted
