"""Real servers, confined, replay from our source: exactly, and to exactly the place chosen."""

from __future__ import annotations

import random
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backups.binlogs.source.sent import Passed
from backups.exceptions import BinlogDamaged, EngineError
from backups.programs.compatibility import MARIADB, MYSQL
from backups.programs.private_server import PrivateServer, ServerOptions, initialise
from backups.restores.replay.drive import Replay
from tests.live.bank import ACCOUNTS, OPENING
from tests.live.binlog_folder import FolderBinlogs
from tests.live.mysql import PrivateMysql
from tests.live.replaying import Archive, Replayer

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
)
CHECKSUMS = "CHECKSUM TABLE bank.accounts, bank.moves, bank.goods"
WRITERS, MOVES = 3, 120


def write(connect: Any, seed: int) -> None:
    """Move money. Any: how a test's server is connected to."""
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


def fill(connect: Any) -> list[tuple[Any, ...]]:
    """Write at the same time, then what follows; return the checksums. Any: SQL's values."""
    writers = [threading.Thread(target=write, args=(connect, seed)) for seed in range(WRITERS)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    with connect() as connection, connection.cursor() as cursor:
        for statement in LATER:
            cursor.execute(statement)
        cursor.execute(CHECKSUMS)
        return list(cursor.fetchall())


@pytest.fixture(scope="module")
def mariadb_archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Archive, Any]:
    folder = tmp_path_factory.mktemp("mariadb")
    source, copy = folder / "source", folder / "copy"
    initialise(source)
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
        wanted = fill(server.connect)
    return Archive(MARIADB, copy, FolderBinlogs(source), file, position, gtids), wanted


def mysql_archive(folder: Path, mode: str) -> tuple[Archive, Any]:
    source, copy = folder / "source", folder / "copy"
    options = {"max-binlog-size": "256K", "gtid-mode": mode, "enforce-gtid-consistency": mode}
    with PrivateMysql(source, options) as server:
        server.execute(*SCHEMA)
        ((gtids,),) = server.execute("SELECT @@GLOBAL.gtid_executed")
    shutil.copytree(source, copy, ignore=shutil.ignore_patterns("binlog.*", "auto.cnf"))
    with PrivateMysql(source, options) as server:
        ((file, position, *_),) = server.execute("SHOW BINARY LOG STATUS")
        wanted = fill(server.connect)
    binlogs = FolderBinlogs(source)
    return Archive(MYSQL, copy, binlogs, file, position, gtids, gtid_mode=mode), wanted


@pytest.fixture(scope="module")
def by_gtid(tmp_path_factory: pytest.TempPathFactory) -> tuple[Archive, Any]:
    return mysql_archive(tmp_path_factory.mktemp("mysql"), "ON")


@pytest.fixture(scope="module")
def by_position(tmp_path_factory: pytest.TempPathFactory) -> tuple[Archive, Any]:
    return mysql_archive(tmp_path_factory.mktemp("mysql"), "OFF")


@pytest.fixture(params=["mariadb_archive", "by_gtid", "by_position"])
def whole(request: pytest.FixtureRequest) -> tuple[Archive, Any]:
    """Any: SQL's values."""
    found: tuple[Archive, Any] = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["mariadb_archive", "by_gtid"])
def with_gtids(request: pytest.FixtureRequest) -> tuple[Archive, Any]:
    found: tuple[Archive, Any] = request.getfixturevalue(request.param)
    return found


class CutWhileRead(FolderBinlogs):
    """Cuts the link in the middle of events, three times."""

    def __init__(self, binlogs: FolderBinlogs) -> None:
        super().__init__(binlogs.folder)
        self.replay: Replay | None = None
        self.cuts = 0

    def watch(self, replay: Replay) -> None:
        self.replay = replay

    def read(self, file: str, start: int, stop: int) -> Iterator[bytes]:
        for chunk in super().read(file, start, stop):
            half = len(chunk) // 2
            yield chunk[:half]
            source = self.replay.source if self.replay else None
            if self.cuts < 3 and source is not None and half > 10_000:
                self.cuts += 1
                source.cut()
            yield chunk[half:]


class TestReplay:
    def test_it_ends_with_the_rows_of_the_source(
        self, whole: tuple[Archive, Any], tmp_path: Path
    ) -> None:
        archive, wanted = whole
        replayer = Replayer(archive, tmp_path / "data")
        seen: list[Passed] = []

        done = replayer.replay(archive.served(), seen.append)

        assert done.passed.transactions == len(archive.transactions)
        assert seen[-1] == done.passed
        assert done.disabled_events == ("bank.nightly",)
        with replayer.asked() as ask:
            assert ask(CHECKSUMS) == wanted
            users = {str(row[0]) for row in ask("SELECT user FROM mysql.user")}
        assert "teller" in users
        assert not any(user.startswith("mooring") for user in users)

    def test_it_stops_exactly_where_chosen(
        self, with_gtids: tuple[Archive, Any], tmp_path: Path
    ) -> None:
        archive, _ = with_gtids
        for count in random.sample(range(1, WRITERS * MOVES), 3):
            replayer = Replayer(archive, tmp_path / str(count))
            done = replayer.replay(archive.served(count))
            _, last = archive.transactions[count - 1]
            assert last.gtid.rpartition("-")[2].rpartition(":")[2] in done.gtids
            with replayer.asked() as ask:
                assert ask("SELECT SUM(money) FROM bank.accounts") == [(ACCOUNTS * OPENING,)]
                assert ask("SELECT COUNT(*) FROM bank.moves") == [(count,)]

    def test_a_transaction_is_left_out(
        self, with_gtids: tuple[Archive, Any], tmp_path: Path
    ) -> None:
        archive, _ = with_gtids
        replayer = Replayer(archive, tmp_path / "data")
        (dropped,) = [
            each.gtid for _, each in archive.transactions if each.statement.startswith(b"DROP")
        ]

        replayer.replay(archive.served(skipped={dropped}))

        with replayer.asked() as ask:
            assert ask("SELECT id FROM bank.goods ORDER BY id") == [(1,), (2,), (3,)]

    def test_a_cut_link_loses_and_doubles_nothing(
        self, whole: tuple[Archive, Any], tmp_path: Path
    ) -> None:
        archive, wanted = whole
        replayer = Replayer(archive, tmp_path / "data")
        cutting = CutWhileRead(archive.binlogs)
        plain, archive.binlogs = archive.binlogs, cutting

        try:
            replayer.replay(archive.served(), on_start=cutting.watch)
        finally:
            archive.binlogs = plain

        assert cutting.cuts == 3
        assert cutting.replay is not None and cutting.replay.source is not None
        assert cutting.replay.source.connections >= 3
        with replayer.asked() as ask:
            assert ask(CHECKSUMS) == wanted

    def test_a_flipped_bit_ends_it_before_it_is_applied(
        self, with_gtids: tuple[Archive, Any], tmp_path: Path
    ) -> None:
        archive, _ = with_gtids
        folder = tmp_path / "binlogs"
        folder.mkdir()
        for name in archive.binlogs.files:
            shutil.copy(archive.binlogs.folder / name, folder)
        file, chosen = archive.transactions[50]
        with (folder / file).open("r+b") as content:
            content.seek(chosen.end - 20)
            (flipped,) = content.read(1)
            content.seek(chosen.end - 20)
            content.write(bytes([flipped ^ 4]))
        served = archive.served()
        damaged = replace(served, binlogs=FolderBinlogs(folder))

        with pytest.raises((BinlogDamaged, EngineError), match=r"damaged"):
            Replayer(archive, tmp_path / "data").replay(damaged)
