"""The page of archived transactions: zoom, moment, filter, and who sees values."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from backups.binlog_archive.spool import SpoolPosition
from backups.binlog_archive.storing.store import store_ready_pieces
from backups.models import Activity, BinlogArchive, BinlogGap, Instance
from backups.models.activity import Verb
from monitor.selectors import transactions
from tests.backups.binlog_archive.spooled import (
    SECOND,
    T0,
    archive_of,
    binlog,
    spool,
    timeline_of,
)
from tests.backups.binlogs.made import SOURCE, real
from tests.backups.conftest import make_repository
from tests.monitor.rows import make_instance, make_user

pytestmark = pytest.mark.django_db
PAGE = "/instances/orders-1/transactions/"
# When the real file was written.
REAL = "2026-11-30 04:31:42.5 UTC"


@pytest.fixture
def archive(tmp_path: Path, settings: Settings) -> BinlogArchive:
    settings.BINLOG_SPOOL = tmp_path / "spool"
    settings.BACKUP_KEY_TEXT, settings.BACKUP_KEY_FILE = "", tmp_path / "none.key"
    return archive_of(make_instance("orders-1"))


def receive(archive: BinlogArchive, present: SpoolPosition) -> None:
    archive.received_file, archive.received_position = present
    archive.save()


@pytest.fixture
def formats(archive: BinlogArchive) -> None:
    timeline = timeline_of(archive.instance)
    receive(archive, spool(timeline, "bin.000003", real("mysql-formats")))


@pytest.fixture
def victor(client: Client) -> Client:
    client.force_login(make_user("victor", "viewer"))
    return client


@pytest.fixture
def olga(client: Client) -> Client:
    client.force_login(make_user("olga", "operator"))
    return client


def shown(client: Client, **query: str) -> str:
    answer = client.get(PAGE, query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_without_an_archive_it_says_how_to_begin(victor: Client) -> None:
    make_instance("orders-1")
    page = shown(victor)
    assert "no binlogs of orders-1 are archived" in page
    assert "archivebinlogs" in page


def test_the_newest_come_first(victor: Client, formats: None) -> None:
    page = shown(victor)
    assert page.index(f"{SOURCE}:34") < page.index(f"{SOURCE}:29")


def test_a_moment_marks_the_first_one_after_it(victor: Client, formats: None) -> None:
    page = shown(victor, moment=REAL)
    before, _, after = page.partition("the moment is before it")
    assert f"{SOURCE}:26<" in before
    assert after
    assert "is the one before the marked transaction" in page


def test_what_cannot_be_read_is_said(victor: Client, formats: None) -> None:
    assert "is no moment" in shown(victor, moment="soon")
    assert "no number of bytes" in shown(victor, min="many")
    assert "no archived transaction" in shown(victor, name=f"{SOURCE}:999")


def test_a_large_backlog_is_not_indexed_for_a_page(
    victor: Client, formats: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transactions, "MOST_SPOOLED_BYTES", 1000)
    assert "5.9 KiB of binlogs are in no repository yet" in shown(victor)


def test_a_filter_leaves_the_others_out(victor: Client, formats: None) -> None:
    page = shown(victor, table="shop.j")
    assert f"{SOURCE}:31" in page
    assert f"{SOURCE}:29" not in page
    assert "Changes in format STATEMENT are not among these" in page
    empty = shown(victor, table="nothing.there")
    assert "No matching transactions" in empty
    assert "Changes in format STATEMENT are not among these" in empty


def test_values_are_for_operators(client: Client, formats: None) -> None:
    name = f"{SOURCE}:29"
    client.force_login(make_user("victor", "viewer"))
    page = shown(client, name=name)
    assert "shop.a" in page
    assert "Values are shown to operators" in page
    assert not Activity.objects.filter(verb=Verb.VIEWED).exists()
    assert "after" not in page.partition("Volume")[0].partition("Committed")[2]
    client.force_login(make_user("olga", "operator"))
    assert "id=20, n=NULL, c=4) to (id=20, n=&#x27;after&#x27;, c=4)" in shown(client, name=name)
    row = Activity.objects.get(verb=Verb.VIEWED)
    assert (row.actor, row.name, row.details) == ("olga", "orders-1", {"transaction": name})


def bars(client: Client, begin: int, end: int) -> tuple[str, list[str]]:
    page = shown(client, **{"from": str(begin), "to": str(end)})
    drawn = page.partition('<ol class="volume">')[2].partition("</ol>")[0]
    return page, [part for part in drawn.split("<li")[1:] if "transactions" in part]


def test_zooming_in_counts_every_transaction(victor: Client, archive: BinlogArchive) -> None:
    timeline = timeline_of(archive.instance)
    receive(archive, spool(timeline, "b.000001", binlog(1, 40, ended=False)))
    begin = int(T0.timestamp())
    page, found = bars(victor, begin, begin + 120)
    # A bar is two seconds.
    assert len(found) == 21
    assert sum("2</span> transactions" in part or "2 transactions" in part for part in found) == 19
    assert "from whole pieces" not in page
    assert "Wider" in page


def test_a_gap_is_marked(victor: Client, archive: BinlogArchive) -> None:
    timeline = timeline_of(archive.instance)
    receive(archive, spool(timeline, "b.000001", binlog(1, 4, ended=False)))
    BinlogGap.objects.create(
        instance=archive.instance,
        after_commit_at=T0 + 60 * SECOND,
        before_commit_at=T0 + 65 * SECOND,
        reason="files were purged",
    )
    begin = int(T0.timestamp())
    page, _ = bars(victor, begin, begin + 120)
    assert page.count('class="gap"') == 3


@pytest.mark.parametrize(
    "query", [{"from": "x"}, {"from": "9" * 30}, {"to": "0"}, {"from": "5", "to": "4"}]
)
def test_any_range_is_a_page(victor: Client, formats: None, query: dict[str, str]) -> None:
    assert "Volume" in shown(victor, **query)


class TestManyPieces:
    @pytest.fixture
    def pieces(self, archive: BinlogArchive, tmp_path: Path) -> Instance:
        """Eleven files, stored, a minute apart."""
        archive.repositories.set([make_repository("main", tmp_path / "main", encrypted=False)])
        timeline = timeline_of(archive.instance)
        for number in range(1, 12):
            at = T0 + number * timedelta(minutes=1)
            spool(timeline, f"b.{number:06}", binlog(number, number, at=at))
        present = spool(timeline, "b.000012", binlog(12, 12, ended=False))
        receive(archive, present)
        store_ready_pieces(archive, present, T0 + SECOND)
        return archive.instance

    @pytest.mark.django_db(transaction=True)
    def test_a_long_range_is_drawn_from_rows(self, victor: Client, pieces: Instance) -> None:
        begin = int(T0.timestamp())
        page, found = bars(victor, begin, begin + 3600)
        assert "from whole pieces" in page
        assert len(found) == 12

    @pytest.mark.django_db(transaction=True)
    def test_a_list_says_that_it_is_of_the_nearest_pieces(
        self, victor: Client, pieces: Instance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert "Only the nearest pieces" not in shown(victor, table="shop.none")
        monkeypatch.setattr(transactions, "MOST_PIECES_LISTED", 5)
        assert "Only the nearest pieces" in shown(victor, table="shop.none")
