"""Transactions of an archive, stored and in the spool: around a moment, by name, filtered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from backups.binlog_archive.spool import SpoolPosition
from backups.binlog_archive.storing.store import store_ready_pieces
from backups.binlog_archive.transactions.browse import Found, InstanceBinlogs, WantedTransactions
from backups.binlogs.events.gtid_lists import encode_list
from backups.binlogs.events.gtids import GtidPosition
from backups.binlogs.events.header import EventType
from backups.binlogs.moments import to_micros
from backups.exceptions import BadInput, Refused
from backups.keys.load import load_keys
from backups.models import Activity, BinlogArchive, BinlogTimeline, Instance
from backups.models.activity import Verb
from tests.backups.binlog_archive.spooled import (
    MINUTE,
    SECOND,
    T0,
    binlog,
    spool,
    timeline_of,
)
from tests.backups.binlogs.made import (
    SOURCE,
    event,
    file_of,
    mariadb_gtid,
    mysql_gtid,
    query,
    real,
    xid,
)
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def binlogs(archive: BinlogArchive, timeline: BinlogTimeline) -> InstanceBinlogs:
    """Two files are stored, each with five transactions; of a third, three are in the spool."""
    spool(timeline, "b.000001", binlog(1, 5))
    spool(timeline, "b.000002", binlog(6, 10))
    present = spool(timeline, "b.000003", binlog(11, 13, ended=False))
    received(archive, present)
    store_ready_pieces(archive, present, T0 + SECOND)
    return InstanceBinlogs(archive.instance, load_keys())


def received(archive: BinlogArchive, present: SpoolPosition) -> None:
    BinlogArchive.objects.filter(pk=archive.pk).update(
        received_file=present.file, received_position=present.position
    )


def numbers(found: list[Found]) -> list[int]:
    return [int(each.transaction.gtid.rpartition(":")[2]) for each in found]


def at(second: float) -> int:
    return to_micros(T0) + int(second * 1_000_000)


class TestAround:
    def test_goes_over_files_and_into_the_spool(self, binlogs: InstanceBinlogs) -> None:
        assert [piece.segment is None for piece in binlogs.pieces] == [False, False, True]
        found, before = binlogs.around(at(6), WantedTransactions(), 3)
        assert (numbers(found), before) == ([4, 5, 6, 7, 8, 9], 3)
        found, before = binlogs.around(at(10.5), WantedTransactions(), 2)
        assert (numbers(found), before) == ([9, 10, 11, 12], 2)

    def test_the_ends_have_only_one_side(self, binlogs: InstanceBinlogs) -> None:
        found, before = binlogs.around(at(-5), WantedTransactions(), 2)
        assert (numbers(found), before) == ([1, 2], 0)
        found, before = binlogs.around(at(500), WantedTransactions(), 2)
        assert (numbers(found), before) == ([12, 13], 2)

    def test_without_a_moment_the_newest_are_shown(self, binlogs: InstanceBinlogs) -> None:
        found, _ = binlogs.around(None, WantedTransactions(), 4)
        assert numbers(found) == [10, 11, 12, 13]

    def test_every_moment_has_one_boundary(self, binlogs: InstanceBinlogs) -> None:
        for second in range(1, 13):
            found = binlogs.first_later_than(at(second))
            assert found is not None
            assert numbers([found]) == [second + 1]
        assert binlogs.first_later_than(at(13)) is None

    def test_an_older_timeline_comes_before(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        present = spool(timeline, "b.000001", binlog(1, 2))
        BinlogTimeline.objects.filter(pk=timeline.pk).update(ended_at=T0)
        later = timeline_of(archive.instance, start="reset")
        present = spool(later, "b.000001", binlog(1, 1, at=T0 + MINUTE))
        received(archive, present)
        binlogs = InstanceBinlogs(archive.instance, load_keys())
        found, _ = binlogs.around(None, WantedTransactions(), 5)
        assert [each.piece.timeline.pk for each in found] == [timeline.pk, timeline.pk, later.pk]
        assert binlogs.named(f"{SOURCE}:1").piece.timeline == later

    def test_says_when_it_did_not_look_everywhere(self, binlogs: InstanceBinlogs) -> None:
        nowhere = WantedTransactions(min_bytes=10**6)
        for reach, moment, incomplete in ((3, None, False), (2, None, True), (1, at(7), True)):
            assert binlogs.around(moment, nowhere, 5, reach) == ([], 0)
            assert binlogs.incomplete is incomplete
        binlogs.around(None, WantedTransactions(), 2, 1)
        assert not binlogs.incomplete

    def test_no_archive_is_refused(self, orders: Instance) -> None:
        with pytest.raises(Refused, match="no binlogs of orders-1"):
            InstanceBinlogs(orders, None)


class TestName:
    def test_finds_by_gtid_and_by_position(self, binlogs: InstanceBinlogs) -> None:
        for number in range(1, 14):
            found = binlogs.named(f"{SOURCE}:{number}")
            assert numbers([found]) == [number]
            assert binlogs.named(found.place) == found

    @pytest.mark.parametrize(
        "name", [f"{SOURCE}:14", "b.000001:5", "b.000009:4", "0-1-7", "x", f"{SOURCE}:x", ""]
    )
    def test_says_that_there_is_none(self, binlogs: InstanceBinlogs, name: str) -> None:
        with pytest.raises(BadInput):
            binlogs.named(name)

    def test_finds_numbers_of_mariadb_that_went_back(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        for file, before, first in (
            ("b.000001", "", mariadb_gtid(100)),
            ("b.000002", "0-7-100", mariadb_gtid(50, server_id=9)),
            ("b.000003", "0-7-100,0-9-50", mariadb_gtid(7)),
        ):
            listed = encode_list(GtidPosition.parse(before))
            events = (event(EventType.MARIADB_GTID_LIST, listed), first, query(b"UPDATE"), xid())
            present = spool(timeline, file, file_of(*events))
        received(archive, present)
        store_ready_pieces(archive, present, T0 + 2 * MINUTE, flush=True)
        binlogs = InstanceBinlogs(archive.instance, load_keys())
        assert all(piece.segment is not None for piece in binlogs.pieces)
        for gtid, file in (("0-7-100", "1"), ("0-9-50", "2"), ("0-7-7", "3")):
            assert binlogs.named(gtid).piece.file == f"b.00000{file}"


@pytest.fixture
def formats(archive: BinlogArchive, timeline: BinlogTimeline) -> Iterator[str]:
    """A real file of MySQL, in the spool."""
    received(archive, spool(timeline, "bin.000003", real("mysql-formats")))
    yield archive.instance.name


class TestFilter:
    def test_by_table_ddl_and_size(self, archive: BinlogArchive, formats: str) -> None:
        binlogs = InstanceBinlogs(archive.instance, load_keys())

        def count(wanted: WantedTransactions) -> int:
            return len(binlogs.around(None, wanted, 99)[0])

        assert count(WantedTransactions()) == 18
        assert count(WantedTransactions(table="shop.j")) == 3
        assert count(WantedTransactions(table="J")) == 3
        assert count(WantedTransactions(table="shop.j", ddl=True)) == 1
        assert count(WantedTransactions(ddl=True)) == 6
        assert count(WantedTransactions(min_bytes=440)) == 3
        assert count(WantedTransactions(table="shop.none")) == 0

    def test_those_after_one_are_of_its_tables(self, archive: BinlogArchive, formats: str) -> None:
        binlogs = InstanceBinlogs(archive.instance, load_keys())
        begin = binlogs.named(f"{SOURCE}:31")
        assert numbers(list(binlogs.after(begin, {"shop.j"}))) == [32]
        assert numbers(list(binlogs.after(begin, {"shop.a"}))) == [33, 34]
        assert list(binlogs.after(begin, {"shop.c"})) == []

    def test_a_piece_without_any_is_not_looked_through(self, binlogs: InstanceBinlogs) -> None:
        assert not WantedTransactions(ddl=True).may_be_in(binlogs.index(binlogs.pieces[0]))


class TestListtransactions:
    def test_marks_the_moment_and_names_where_to_stop(self, formats: str) -> None:
        moment = "2026-11-30 04:31:42.5 UTC"
        ended = run_command("listtransactions", formats, "--around", moment, "--count", "2")
        assert ended.exit_code == 0, ended.stderr
        lines = ended.stdout.splitlines()
        assert "2026-11-30 04:31:42.500000" in lines[4]
        assert "GRANT SELECT" in lines[5] or "DROP VIEW" in ended.stdout
        assert lines[-1].startswith("the state at that moment is the one before ")

    def test_times_are_shown_in_the_zone(self, formats: str) -> None:
        shown = run_command("listtransactions", formats, "--zone", "Asia/Tokyo").stdout
        assert "times are Asia/Tokyo" in shown
        assert "2026-11-30 13:31:42" in shown

    def test_json_has_the_tables(self, formats: str) -> None:
        found = run_command("listtransactions", formats, "--json", "--table", "shop.j").json()
        tables = [each["tables"] for each in found["transactions"]]
        assert [len(each) for each in tables] == [0, 1, 1]
        assert found["stop_before"] is None

    def test_a_moment_without_its_zone_is_bad_input(self, formats: str) -> None:
        ended = run_command("listtransactions", formats, "--around", "2026-11-30 04:31")
        assert (ended.exit_code, "no moment with its zone" in ended.stderr) == (2, True)


class TestShowtransaction:
    def test_counts_rows_without_their_values(self, formats: str) -> None:
        shown = run_command("showtransaction", formats, f"{SOURCE}:29").stdout
        assert "delete of 3 rows" in shown
        assert "update of 5 rows" in shown
        assert "after" not in shown
        assert not Activity.objects.filter(verb=Verb.VIEWED).exists()

    def test_values_are_shown_where_requested(self, formats: str) -> None:
        shown = run_command("showtransaction", formats, f"{SOURCE}:29", "--values").stdout
        assert "delete shop.a (id=1, n='z', c=4)" in shown
        row = Activity.objects.get(verb=Verb.VIEWED)
        assert (row.name, row.details) == (formats, {"transaction": f"{SOURCE}:29"})
        assert "update shop.a (id=20, n=NULL, c=4) to (id=20, n='after', c=4)" in shown
        cut = run_command("showtransaction", formats, f"{SOURCE}:29", "--values", "--rows", "2")
        assert "more rows are not shown" in cut.stdout
        assert "update of 5 rows" in cut.stdout

    def test_a_statement_has_no_values_either(self, formats: str) -> None:
        name = f"{SOURCE}:21"
        assert "RAND()" not in run_command("showtransaction", formats, name).stdout
        assert "RAND()" in run_command("showtransaction", formats, name, "--values").stdout


def test_an_open_transaction_of_the_spool_is_not_shown(
    archive: BinlogArchive, timeline: BinlogTimeline
) -> None:
    micros = to_micros(datetime(2026, 3, 2, tzinfo=UTC))
    begun = [mysql_gtid(2, micros), query(b"BEGIN")]
    content = file_of(mysql_gtid(1, micros), query(b"DROP TABLE a"), *begun)
    received(archive, spool(timeline, "b.000001", content))
    found, _ = InstanceBinlogs(archive.instance, load_keys()).around(None, WantedTransactions(), 5)
    assert numbers(found) == [1]
