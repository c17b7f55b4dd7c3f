"""Real servers, confined, replay from our source: exactly, and to exactly the place chosen."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from backups.binlogs.source.sent import Passed
from backups.exceptions import BinlogDamaged, EngineError
from tests.live.binlog_folder import FolderBinlogs
from tests.live.cut_links import CutWhileRead
from tests.live.replay_bank import (
    ACCOUNTS,
    CHECKSUMS,
    MOVES,
    OPENING,
    WRITERS,
    Filled,
    mariadb_archive,
    mysql_archive,
)
from tests.live.replaying import Replayer

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return mariadb_archive(tmp_path_factory.mktemp("mariadb"))


@pytest.fixture(scope="module")
def by_gtid(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return mysql_archive(tmp_path_factory.mktemp("mysql"), "ON")


@pytest.fixture(scope="module")
def by_position(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    return mysql_archive(tmp_path_factory.mktemp("mysql"), "OFF")


@pytest.fixture(params=["mariadb", "by_gtid", "by_position"])
def whole(request: pytest.FixtureRequest) -> Filled:
    found: Filled = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["mariadb", "by_gtid"])
def with_gtids(request: pytest.FixtureRequest) -> Filled:
    found: Filled = request.getfixturevalue(request.param)
    return found


class TestReplay:
    def test_it_ends_with_the_rows_of_the_source(self, whole: Filled, tmp_path: Path) -> None:
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

    def test_it_stops_exactly_where_chosen(self, with_gtids: Filled, tmp_path: Path) -> None:
        archive, _ = with_gtids
        for count in random.sample(range(1, WRITERS * MOVES), 3):
            replayer = Replayer(archive, tmp_path / str(count))
            done = replayer.replay(archive.served(count))
            _, last = archive.transactions[count - 1]
            assert last.gtid.rpartition("-")[2].rpartition(":")[2] in done.gtids
            with replayer.asked() as ask:
                assert ask("SELECT SUM(money) FROM bank.accounts") == [(ACCOUNTS * OPENING,)]
                assert ask("SELECT COUNT(*) FROM bank.moves") == [(count,)]

    def test_mistakes_are_left_out_and_what_follows_is_not(
        self, with_gtids: Filled, tmp_path: Path
    ) -> None:
        archive, _ = with_gtids
        replayer = Replayer(archive, tmp_path / "data")
        transactions = [each for _, each in archive.transactions]
        skipped = {
            each.gtid for each in transactions if each.statement.startswith((b"DROP", b"TRUNCATE"))
        }
        # Of rows only, so that nothing but its place names it.
        number = [each.statement[:22] for each in transactions].index(b"CREATE TABLE bank.kept")
        skipped.add(transactions[number - 1].gtid)
        assert len(skipped) == 3

        replayer.replay(archive.served(skipped=skipped))

        with replayer.asked() as ask:
            assert ask("SELECT id FROM bank.goods ORDER BY id") == [(1,), (2,), (3,)]
            assert ask("SELECT id FROM bank.kept ORDER BY id") == [(1,), (2,)]

    def test_a_cut_link_loses_and_doubles_nothing(
        self, whole: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # So that a part has arrived, up to the middle of a transaction.
        monkeypatch.setattr("backups.binlogs.source.stream._BATCH_BYTES", 10_000)
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
        assert cutting.replay.source.connections >= 4
        with replayer.asked() as ask:
            assert ask(CHECKSUMS) == wanted

    def test_a_flipped_bit_ends_it_before_it_is_applied(
        self, with_gtids: Filled, tmp_path: Path
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
