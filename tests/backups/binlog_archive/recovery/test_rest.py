"""What is left for a server that has replayed a part, and which server is not the one?"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import replace

import pytest

from backups.binlog_archive.recovery.from_backup import Recovery, StartPoint, find_recovery
from backups.binlog_archive.recovery.goals import RecoveryGoal
from backups.binlog_archive.recovery.rest import Reached, Rest, find_rest
from backups.binlog_archive.storing.store import store_ready_pieces
from backups.binlogs.events.header import LOG_POS_RANGE, EventType
from backups.binlogs.source.served import ServedRange
from backups.exceptions import Refused
from backups.models import BinlogArchive, BinlogTimeline
from backups.programs.compatibility import MARIADB, MYSQL
from tests.backups.binlog_archive.spooled import MINUTE, T0, binlog, gtids, spool
from tests.backups.binlogs.made import SOURCE, event, file_of, query, xid

pytestmark = pytest.mark.django_db(transaction=True)

FIRST, SECOND_FILE = "b.000001", "b.000002"


def gtid(number: int) -> str:
    return f"{SOURCE}:{number}"


@pytest.fixture
def two_files(archive: BinlogArchive, timeline: BinlogTimeline) -> BinlogArchive:
    """Transactions 1 to 4 and 5 to 8."""
    spool(timeline, FIRST, binlog(1, 4))
    received = spool(timeline, SECOND_FILE, binlog(5, 8, ended=False))
    store_ready_pieces(archive, received, T0 + 2 * MINUTE, flush=True)
    row = BinlogArchive.objects.filter(pk=archive.pk)
    row.update(received_file=SECOND_FILE, received_position=received.position)
    return archive


def end_of(number: int) -> int:
    """Where a transaction ends in its file."""
    return len(binlog(1 if number < 5 else 5, number, ended=False))


def whole_of(archive: BinlogArchive, skipped: Collection[int] = (), mode: str = "ON") -> Recovery:
    """From a backup with the first transaction up to the seventh."""
    start = StartPoint("orders-1@t", FIRST, end_of(1), gtids(1, 1), T0, T0)
    left_out = frozenset(gtid(number) for number in skipped)
    goal = RecoveryGoal(until_gtid=gtid(7), skipped=left_out)
    found = find_recovery(archive.instance, start, goal)
    return replace(found, served=replace(found.served, gtid_mode=mode, flavour=MYSQL))


def empty_of(archive: BinlogArchive, before: str) -> Recovery:
    """From a backup with the first transaction to its own place."""
    start = StartPoint("orders-1@t", FIRST, end_of(1), before, T0, T0)
    found = find_recovery(archive.instance, start, RecoveryGoal(file=FIRST, position=end_of(1)))
    return replace(found, served=replace(found.served, flavour=MYSQL))


def next_gtid(rest: Rest) -> str:
    return rest.next.transaction.gtid if rest.next else ""


class TestMysql:
    def test_it_begins_behind_what_is_there(self, two_files: BinlogArchive) -> None:
        rest = find_rest(whole_of(two_files), Reached(gtids(1, 5)))

        assert (rest.done, next_gtid(rest)) == (4, gtid(6))
        served = rest.recovery.served
        assert list(served.stretches) == [ServedRange(SECOND_FILE, end_of(5), end_of(7))]
        assert (served.transactions, served.start_gtids) == (2, gtids(1, 5))
        assert rest.recovery.stop.transactions == 2

    def test_everything_and_nothing(self, two_files: BinlogArchive) -> None:
        rest = find_rest(whole_of(two_files), Reached(gtids(1, 1)))
        assert (rest.done, next_gtid(rest)) == (0, gtid(2))
        rest = find_rest(whole_of(two_files), Reached(gtids(1, 7)))
        assert (rest.done, rest.next, list(rest.recovery.served.stretches)) == (6, None, [])

    def test_a_place_that_the_backup_has(self, two_files: BinlogArchive) -> None:
        whole = empty_of(two_files, gtids(1, 1))
        rest = find_rest(whole, Reached(gtids(1, 1)))
        assert (rest.done, rest.next, list(rest.recovery.served.stretches)) == (0, None, [])
        with pytest.raises(Refused, match="which is not among the transactions"):
            find_rest(whole, Reached(gtids(1, 3)))
        with pytest.raises(Refused, match="nothing proves"):
            find_rest(empty_of(two_files, ""), Reached())

    def test_what_was_left_out_is_not_missing(self, two_files: BinlogArchive) -> None:
        there = Reached(f"{gtids(1, 2)}:4-5")
        rest = find_rest(whole_of(two_files, {3, 6, 7}), there)
        assert (rest.done, rest.next) == (6, None)
        rest = find_rest(whole_of(two_files, {3, 7}), there)
        assert next_gtid(rest) == gtid(6)
        assert rest.recovery.served.skipped == {gtid(7)}

    def test_one_that_is_missing_is_replayed_and_those_behind_it_left_out(
        self, two_files: BinlogArchive
    ) -> None:
        rest = find_rest(whole_of(two_files), Reached(f"{gtids(1, 2)}:4-5"))
        assert (rest.done, next_gtid(rest)) == (1, gtid(3))
        assert rest.recovery.served.transactions == 5

    @pytest.mark.parametrize(
        ("there", "message"),
        [
            (f"{SOURCE}:2-3", "not all of those of orders-1"),
            (f"{SOURCE}:1-8", "which is not among the transactions"),
            (f"{SOURCE}:1-3,aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa:1", "aaaaaaaa"),
        ],
    )
    def test_another_server_is_refused(
        self, two_files: BinlogArchive, there: str, message: str
    ) -> None:
        with pytest.raises(Refused, match=message):
            find_rest(whole_of(two_files), Reached(there))


class TestWithoutGtids:
    def test_it_begins_at_the_place(self, two_files: BinlogArchive) -> None:
        whole = whole_of(two_files, mode="OFF")
        for number, stretches in (
            (1, [(FIRST, end_of(1)), (SECOND_FILE, 0)]),
            (4, [(SECOND_FILE, len(binlog(5, 4, ended=False)))]),
            (6, [(SECOND_FILE, end_of(6))]),
        ):
            file = FIRST if number < 5 else SECOND_FILE
            rest = find_rest(whole, Reached(file=file, position=end_of(number)))
            served = rest.recovery.served.stretches
            assert [(each.file, each.start) for each in served] == stretches
            assert rest.done == number - 1
        assert find_rest(whole, Reached(file=SECOND_FILE, position=end_of(7))).next is None

    def test_a_server_does_not_say_where_it_is_beyond_4_gib(self, two_files: BinlogArchive) -> None:
        whole = whole_of(two_files, mode="OFF")
        first, second = whole.served.stretches
        far = (replace(first, stop=LOG_POS_RANGE + 900), second)
        whole = replace(whole, served=replace(whole.served, stretches=far))
        for by_server, file, number in ((True, SECOND_FILE, 6), (False, FIRST, 2)):
            there = Reached(file=file, position=end_of(number), by_server=by_server)
            assert find_rest(whole, there).done == number - 1
        with pytest.raises(Refused, match="longer than a server names positions"):
            find_rest(whole, Reached(file=FIRST, position=end_of(2), by_server=True))

    @pytest.mark.parametrize(
        ("file", "position", "message"),
        [
            (FIRST, 4, "before orders-1@t"),
            (FIRST, end_of(2) + 7, "inside a transaction"),
            (SECOND_FILE, end_of(8), "what is before b.000002"),
            ("b.000009", 4, "what is before b.000009"),
        ],
    )
    def test_another_place_is_refused(
        self, two_files: BinlogArchive, file: str, position: int, message: str
    ) -> None:
        with pytest.raises(Refused, match=message):
            find_rest(whole_of(two_files, mode="OFF"), Reached(file=file, position=position))


def of_domain(domain: int, number: int) -> list[bytes]:
    gtid = event(EventType.MARIADB_GTID, struct.pack("<QIB", number, domain, 0) + bytes(6))
    return [gtid, query(b"UPDATE"), xid()]


class TestMariadb:
    @pytest.fixture
    def domains(self, archive: BinlogArchive, timeline: BinlogTimeline) -> Recovery:
        """Transactions of two domains in turns: the backup has 0-7-1."""
        turns = [(0, 1), (0, 2), (5, 1), (0, 3), (5, 2), (0, 4)]
        events = [each for turn in turns for each in of_domain(*turn)]
        present = spool(timeline, FIRST, file_of(*events))
        store_ready_pieces(archive, present, T0 + 2 * MINUTE, flush=True)
        start = StartPoint("b", FIRST, len(file_of(*of_domain(0, 1))), "0-7-1", T0, T0)
        goal = RecoveryGoal(until_gtid="0-7-4", skipped=frozenset({"5-7-1"}))
        found = find_recovery(archive.instance, start, goal)
        return replace(found, served=replace(found.served, flavour=MARIADB))

    def test_domains_that_came_differently_far(self, domains: Recovery) -> None:
        for there, done, following, before in (
            ("0-7-1", 0, "0-7-2", "0-7-1"),
            ("0-7-2", 2, "0-7-3", "0-7-2"),
            # The second domain is ahead: what is there of it is left out of the stream.
            ("0-7-2,5-7-2", 2, "0-7-3", "0-7-2"),
            ("0-7-3", 3, "5-7-2", "0-7-3"),
            ("0-7-3,5-7-2", 4, "0-7-4", "0-7-3,5-7-2"),
            ("0-7-4,5-7-2", 5, "", ""),
        ):
            rest = find_rest(domains, Reached(there))
            assert (rest.done, next_gtid(rest)) == (done, following), there
            assert rest.recovery.served.start_gtids == before, there

    def test_another_server_is_refused(self, domains: Recovery) -> None:
        for there, message in (
            ("0-7-9", "0-7-9, which is not among"),
            ("0-9-3", "0-9-3, which is not among"),
            ("5-7-1", "without domain 0"),
        ):
            with pytest.raises(Refused, match=message):
                find_rest(domains, Reached(there))
