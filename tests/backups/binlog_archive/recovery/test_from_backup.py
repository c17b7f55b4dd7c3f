"""Which transactions lead from a backup to a place, and when is that refused?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from backups.binlog_archive.recovery.from_backup import Recovery, StartPoint, find_recovery
from backups.binlog_archive.recovery.goals import RecoveryGoal, goal_of, parse_place
from backups.binlog_archive.spool import SpoolPosition
from backups.binlog_archive.storing.store import store_ready_pieces
from backups.binlogs.events.header import EventType
from backups.binlogs.source.served import ServedRange
from backups.exceptions import BadInput, Refused
from backups.models import BinlogArchive, BinlogTimeline
from backups.parameters import RestoreParameters
from tests.backups.binlog_archive.spooled import (
    MINUTE,
    SECOND,
    T0,
    binlog,
    gtids,
    spool,
    timeline_of,
    transaction,
)
from tests.backups.binlogs.made import SOURCE, event, file_of, mariadb_gtid, query, xid

pytestmark = pytest.mark.django_db(transaction=True)

FIRST, SECOND_FILE = "b.000001", "b.000002"


@pytest.fixture
def two_files(archive: BinlogArchive, timeline: BinlogTimeline) -> tuple[bytes, bytes]:
    """Transactions 1 to 4, stored, and 5 to 8, of which two are only in the spool."""
    first, second = binlog(1, 4), binlog(5, 8, ended=False)
    spool(timeline, FIRST, first)
    spool(timeline, SECOND_FILE, second)
    received = SpoolPosition(SECOND_FILE, end_of(second, binlog(5, 6, ended=False)))
    store_ready_pieces(archive, received, T0 + 2 * MINUTE, flush=True)
    row = BinlogArchive.objects.filter(pk=archive.pk)
    row.update(received_file=SECOND_FILE, received_position=len(second))
    archive.refresh_from_db()
    return first, second


def end_of(whole: bytes, part: bytes) -> int:
    assert whole.startswith(part)
    return len(part)


def start_after(number: int, content: bytes, file: str = FIRST, **other: str) -> StartPoint:
    """A backup with everything up to a transaction of the first file."""
    position = len(binlog(1, number, ended=False)) if file == FIRST else 0
    known = other.get("gtids", gtids(1, number))
    return StartPoint("orders-1@t", file, position, known, T0, T0 + number * SECOND)


def find(archive: BinlogArchive, start: StartPoint, goal: RecoveryGoal) -> Recovery:
    return find_recovery(archive.instance, start, goal)


def at(seconds: float) -> RecoveryGoal:
    return RecoveryGoal(until=T0 + timedelta(seconds=seconds))


def gtid(number: int) -> str:
    return f"{SOURCE}:{number}"


class TestStops:
    def test_a_moment_is_before_the_first_later_commit(
        self, archive: BinlogArchive, two_files: tuple[bytes, bytes]
    ) -> None:
        start = start_after(2, two_files[0])
        for seconds, last in [(2, 0), (3, 3), (3.9, 3), (6, 6), (7.5, 7)]:
            stop = find(archive, start, at(seconds)).stop
            assert stop.transactions == max(0, last - 2), seconds
            assert stop.last_gtid == (gtid(last) if last else ""), seconds

    def test_exactly_the_bytes_between_are_served(
        self, archive: BinlogArchive, two_files: tuple[bytes, bytes]
    ) -> None:
        first, _ = two_files
        start = start_after(2, first)
        stop = len(binlog(5, 7, ended=False))

        found = find(archive, start, RecoveryGoal(until_gtid=gtid(7)))

        assert list(found.served.stretches) == [
            ServedRange(FIRST, start.position, len(first)),
            ServedRange(SECOND_FILE, 0, stop),
        ]
        assert (found.served.gtid_mode, found.served.start_gtids) == ("ON", gtids(1, 2))

    def test_places_with_and_before_a_transaction(
        self, archive: BinlogArchive, two_files: tuple[bytes, bytes]
    ) -> None:
        start = start_after(1, two_files[0])
        place = len(binlog(5, 6, ended=False))
        for goal, count in [
            (RecoveryGoal(until_gtid=gtid(4)), 3),
            (RecoveryGoal(before_gtid=gtid(4)), 2),
            (RecoveryGoal(before_gtid=gtid(5)), 3),
            (RecoveryGoal(file=SECOND_FILE, position=place), 5),
        ]:
            assert find(archive, start, goal).stop.transactions == count, str(goal)

    def test_a_clock_that_went_back_changes_nothing(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        moments = {1: 10, 2: 20, 3: 5, 4: 30}
        events = [event(EventType.PREVIOUS_GTIDS, bytes(8))]
        for number, second in moments.items():
            events += transaction(number, at=T0 + second * SECOND)
        content = file_of(*events)
        received = spool(timeline, FIRST, content)
        store_ready_pieces(archive, received, T0 + 2 * MINUTE, flush=True)
        start = StartPoint("b", FIRST, len(binlog(1, 0, ended=False)), "", T0, T0)

        assert find(archive, start, at(12)).stop.last_gtid == gtid(1)
        assert find(archive, start, at(25)).stop.last_gtid == gtid(3)

    def test_numbers_of_mariadb_that_go_back(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        one = [mariadb_gtid(100), query(b"UPDATE"), xid()]
        two = [mariadb_gtid(50, server_id=9), query(b"UPDATE"), xid()]
        present = spool(timeline, FIRST, file_of(*one, *two))
        store_ready_pieces(archive, present, T0 + 2 * MINUTE, flush=True)
        start = StartPoint("b", FIRST, len(file_of(*one)), "0-7-100", T0, T0)
        goal = RecoveryGoal(until_gtid="0-9-50")
        assert find(archive, start, goal).stop.transactions == 1
        with pytest.raises(Refused, match="already has"):
            find(archive, start, RecoveryGoal(before_gtid="0-7-100"))


class TestRefusals:
    def test_what_the_archive_does_not_reach(
        self, archive: BinlogArchive, two_files: tuple[bytes, bytes]
    ) -> None:
        start = start_after(1, two_files[0])
        with pytest.raises(Refused, match="the latest moment is 2026-03-02 01:00:08"):
            find(archive, start, at(9))
        with pytest.raises(Refused, match="not among the archived"):
            find(archive, start, RecoveryGoal(until_gtid=gtid(99)))

    def test_an_idle_source_is_known_to_have_no_more(
        self, archive: BinlogArchive, two_files: tuple[bytes, bytes]
    ) -> None:
        row = BinlogArchive.objects.filter(pk=archive.pk)
        row.update(lag_bytes=0, source_asked_at=T0 + MINUTE)
        start = start_after(1, two_files[0])
        assert find(archive, start, at(50)).stop.last_gtid == gtid(8)
        with pytest.raises(Refused):
            find(archive, start, at(61))

    def test_what_is_received_meanwhile_is_not_left_out(
        self, archive: BinlogArchive, two_files: tuple[bytes, bytes]
    ) -> None:
        row = BinlogArchive.objects.filter(pk=archive.pk)
        row.update(received_position=len(binlog(5, 7, ended=False)), lag_bytes=100)
        asked: list[str] = []

        def receive(execute: Any, sql: str, *arguments: Any) -> Any:
            before = " ".join(asked)
            asked.append(sql)
            # Once the pieces are known, and up to where the spool is durable.
            if "backups_binlogarchive" in before.partition("backups_binlogsegment")[2]:
                asked.clear()
                position = len(two_files[1])
                row.update(received_position=position, lag_bytes=0, source_asked_at=T0 + MINUTE)
            return execute(sql, *arguments)

        with connection.execute_wrapper(receive), pytest.raises(Refused, match="01:00:07"):
            find(archive, start_after(1, two_files[0]), at(50))
        assert find(archive, start_after(1, two_files[0]), at(50)).stop.last_gtid == gtid(8)

    def test_what_the_backup_already_has(
        self, archive: BinlogArchive, two_files: tuple[bytes, bytes]
    ) -> None:
        start = start_after(3, two_files[0])
        for goal in (at(2.5), RecoveryGoal(until_gtid=gtid(2)), RecoveryGoal(before_gtid=gtid(3))):
            with pytest.raises(Refused, match="already has"):
                find(archive, start, goal)

    def test_a_moment_before_a_backup_that_begins_a_piece(
        self, archive: BinlogArchive, two_files: tuple[bytes, bytes]
    ) -> None:
        start = start_after(4, two_files[0])
        whole = StartPoint("b", FIRST, len(two_files[0]), gtids(1, 4), T0, T0)
        next_file = StartPoint("b", SECOND_FILE, 0, gtids(1, 4), T0, T0)
        for each in (start, whole, next_file):
            assert find(archive, each, at(4)).stop.transactions == 0
            with pytest.raises(Refused, match=r"already has|after the moment"):
                find(archive, each, at(2))

    def test_a_backup_whose_gtids_are_ahead_of_its_position(
        self, archive: BinlogArchive, two_files: tuple[bytes, bytes]
    ) -> None:
        ahead = start_after(2, two_files[0], gtids=gtids(1, 6))
        assert find(archive, ahead, at(6)).stop.last_gtid == gtid(6)
        for goal in (at(3), at(5), RecoveryGoal(file=FIRST, position=len(two_files[0]))):
            with pytest.raises(Refused, match="already has transactions from after"):
                find(archive, ahead, goal)

    @pytest.mark.parametrize("why", ["reset", "server"])
    def test_a_backup_from_before_names_were_used_again(
        self, archive: BinlogArchive, timeline: BinlogTimeline, why: str
    ) -> None:
        spool(timeline, FIRST, binlog(1, 4, ended=False))
        BinlogTimeline.objects.filter(pk=timeline.pk).update(ended_at=T0 + MINUTE)
        again = timeline_of(archive.instance, start=why, began_at=T0 + MINUTE)
        present = spool(again, FIRST, binlog(1, 8, ended=False))
        row = BinlogArchive.objects.filter(pk=archive.pk)
        row.update(received_file=FIRST, received_position=present.position)
        # Before the reset the same names, positions and GTIDs were of other transactions.
        before = start_after(2, b"", gtids=gtids(1, 100))
        old = start_after(2, b"")
        with pytest.raises(Refused):
            find(archive, old, RecoveryGoal(until_gtid=gtid(8)))
        assert find(archive, old, RecoveryGoal(until_gtid=gtid(4))).stop.transactions == 2
        with pytest.raises(Refused):
            find(archive, before, RecoveryGoal(file=FIRST, position=present.position))

    def test_a_backup_that_does_not_join(
        self, archive: BinlogArchive, two_files: tuple[bytes, bytes]
    ) -> None:
        start = start_after(2, two_files[0])
        wrong = {
            "of another history": start_after(2, two_files[0], gtids=gtids(1, 1)),
            "inside a transaction": StartPoint(
                "b", FIRST, start.position + 30, start.gtids, T0, T0
            ),
            "no archived binlog has": StartPoint("b", "b.000009", 4, "", T0, T0),
        }
        for message, each in wrong.items():
            with pytest.raises(Refused, match=message):
                find(archive, each, RecoveryGoal(until_gtid=gtid(4)))

    def test_a_gap_ends_what_can_be_reached(
        self, archive: BinlogArchive, two_files: tuple[bytes, bytes], timeline: BinlogTimeline
    ) -> None:
        spool(timeline, "b.000004", binlog(12, 13, ended=False))
        archive.received_file, archive.received_position = "b.000004", 10_000
        archive.save()
        start = start_after(1, two_files[0])
        assert find(archive, start, RecoveryGoal(until_gtid=gtid(8))).stop.transactions == 7
        with pytest.raises(Refused, match=r"what follows b.000002:\d+ is missing"):
            find(archive, start, RecoveryGoal(until_gtid=gtid(12)))

    def test_a_place_inside_a_transaction(
        self, archive: BinlogArchive, two_files: tuple[bytes, bytes]
    ) -> None:
        place = len(binlog(5, 6, ended=False)) - 3
        with pytest.raises(Refused, match="inside a transaction"):
            goal = RecoveryGoal(file=SECOND_FILE, position=place)
            find(archive, start_after(1, two_files[0]), goal)

    def test_a_transaction_to_skip_that_is_not_replayed(
        self, archive: BinlogArchive, two_files: tuple[bytes, bytes]
    ) -> None:
        start = start_after(2, two_files[0])
        goal = RecoveryGoal(until_gtid=gtid(5), skipped=frozenset({gtid(4)}))
        assert find(archive, start, goal).served.skipped == {gtid(4)}
        # However it is written: what a server writes is left out.
        named = f"{str(SOURCE).upper()}:004"
        goal = RecoveryGoal(until_gtid=gtid(5), skipped=frozenset({named}))
        assert find(archive, start, goal).served.skipped == {gtid(4)}
        assert RecoveryGoal(before_gtid="00-1-05").before_gtid == "0-1-5"
        goal = RecoveryGoal(until_gtid=gtid(5), skipped=frozenset({gtid(6)}))
        with pytest.raises(Refused, match=r":6 is not among"):
            find(archive, start, goal)


class TestGoals:
    def test_a_job_says_what_was_asked(self, tmp_path: object) -> None:
        moment = datetime.fromisoformat("2026-03-02T01:00:00.5+00:00")
        for goal in (
            RecoveryGoal(until=moment, skipped=frozenset({"0-1-5", "0-1-7"})),
            RecoveryGoal(until_gtid="0-1-5"),
            RecoveryGoal(file="b.000001", position=4711),
        ):
            written = {"target": "/srv/new", **goal.as_parameters()}
            assert goal_of(RestoreParameters(**written)) == goal  # type: ignore[arg-type]
        assert goal_of(RestoreParameters("/srv/new")) is None  # type: ignore[arg-type]

    def test_a_goal_is_one_place(self) -> None:
        # Any: right values in wrong company.
        wrongs: tuple[dict[str, Any], ...] = (
            {},
            {"until_gtid": "0-1-5", "before_gtid": "0-1-6"},
            {"until_gtid": "0-1-5,0-1-6"},
            {"until_gtid": "x'; DROP"},
            {"file": "b.000001"},
            {"until": T0.replace(tzinfo=None)},
        )
        for wrong in wrongs:
            with pytest.raises(BadInput):
                RecoveryGoal(**wrong)

    def test_a_place_is_a_file_and_a_position(self) -> None:
        assert parse_place("binlog.000042:1234") == ("binlog.000042", 1234)
        for text in ("binlog.000042", "a/b.000001:4", "b.000001:-4", ":4"):
            with pytest.raises(BadInput):
                parse_place(text)
