"""Does what is recoverable go on when another server with all transactions takes over?"""

from __future__ import annotations

import errno
from datetime import timedelta
from typing import Any, cast

import pytest

from backups.binlog_archive.receiving.plan import (
    NotAppliedYetError,
    Remembered,
    gtids_held,
    make_plan,
)
from backups.binlog_archive.receiving.source import SourceFacts
from backups.binlog_archive.recovery.coverage import judge_archive
from backups.binlog_archive.recovery.from_backup import Recovery, StartPoint, find_recovery
from backups.binlog_archive.recovery.goals import RecoveryGoal
from backups.binlog_archive.seams import stored_seam
from backups.binlog_archive.spool import SpoolPosition, spool_file
from backups.binlog_archive.storing.rebuild import rebuild_segments
from backups.binlog_archive.storing.store import store_ready_pieces
from backups.binlog_archive.transactions.browse import InstanceBinlogs, WantedTransactions
from backups.binlogs.dump.start import Break, SourceFile
from backups.binlogs.events.gtids import parse_gtids
from backups.exceptions import Refused
from backups.keys.load import load_keys
from backups.models import (
    BinlogArchive,
    BinlogGap,
    BinlogSegment,
    BinlogTimeline,
    RecoverableRange,
    Repository,
    SegmentCopy,
)
from tests.backups.binlog_archive.failovers import OTHER, TABLE, file_with, of_a, of_b
from tests.backups.binlog_archive.spooled import (
    HOUR,
    SECOND,
    T0,
    gtids,
    spool,
    spooled,
    timeline_of,
)
from tests.backups.binlog_archive.stored import backup_at
from tests.backups.binlogs.made import SOURCE

pytestmark = pytest.mark.django_db(transaction=True)
# Of the old server's first file, before its second transaction.
OLD, NEW = "a.000007", "b.000003"
FIRST = file_with(gtids(1, 1), *of_a(2), second=2)
TAKEN_AT = T0 + 2 * SECOND


def take_over(
    archive: BinlogArchive, before: BinlogTimeline, content: bytes, *, at: int = 10, **more: Any
) -> BinlogTimeline:
    """Another server, whose first file is received in full; Any: columns."""
    began_at = T0 + at * SECOND
    BinlogTimeline.objects.filter(pk=before.pk).update(ended_at=began_at)
    columns = {"start": "failover", "server_identity": str(OTHER), **more}
    timeline = timeline_of(archive.instance, began_at=began_at, **columns)
    receive(archive, timeline, NEW, content)
    return timeline


def receive(archive: BinlogArchive, timeline: BinlogTimeline, file: str, content: bytes) -> None:
    present = spool(timeline, file, content)
    rows = BinlogArchive.objects.filter(pk=archive.pk)
    rows.update(received_file=file, received_position=present.position)
    archive.refresh_from_db()


def store(archive: BinlogArchive) -> None:
    present = SpoolPosition(archive.received_file, archive.received_position or 0)
    assert store_ready_pieces(archive, present, T0 + HOUR, flush=True).faults == {}


def judge(archive: BinlogArchive) -> list[RecoverableRange]:
    judge_archive(archive, T0 + HOUR)
    archive.refresh_from_db()
    return list(RecoverableRange.objects.order_by("from_at"))


def recover(archive: BinlogArchive, goal: RecoveryGoal) -> Recovery:
    start = StartPoint("x", OLD, len(FIRST), gtids(1, 2), TAKEN_AT, TAKEN_AT)
    return find_recovery(archive.instance, start, goal)


def at(seconds: float) -> RecoveryGoal:
    return RecoveryGoal(until=T0 + timedelta(seconds=seconds))


@pytest.fixture
def old(archive: BinlogArchive, timeline: BinlogTimeline, main: Repository) -> BinlogTimeline:
    """A server with transactions 2 to 5, of which a backup has the first."""
    receive(archive, timeline, OLD, file_with(gtids(1, 1), *of_a(2, 3, 4, 5), second=2))
    backup_at(archive.instance, main, OLD, len(FIRST), at=TAKEN_AT, gtids=gtids(1, 2))
    return timeline


# Transactions 4 and 5 as it replicated them, then its own.
TAKEN_OVER = file_with(gtids(1, 3), *of_a(4, 5), *of_b(1, 2), second=4)


class TestRange:
    def test_it_goes_on_with_the_new_server(
        self, archive: BinlogArchive, old: BinlogTimeline
    ) -> None:
        new = take_over(archive, old, TAKEN_OVER)
        store(archive)

        (span,) = judge(archive)

        assert (span.open, span.timeline, span.from_at) == (True, new, TAKEN_AT)
        assert (span.to_file, span.to_at) == (NEW, T0 + 7 * SECOND)
        assert (archive.not_recoverable, BinlogGap.objects.count()) == ("", 0)

    def test_a_piece_is_cut_where_it_goes_on(
        self, archive: BinlogArchive, old: BinlogTimeline
    ) -> None:
        new = take_over(archive, old, TAKEN_OVER)
        store(archive)
        befores = BinlogSegment.objects.filter(timeline=new).values_list("gtids_before", flat=True)
        assert list(befores) == [gtids(1, 3), gtids(1, 5)]

    def test_until_the_new_server_has_it_all_it_ends_with_the_old_one(
        self, archive: BinlogArchive, old: BinlogTimeline
    ) -> None:
        new = take_over(archive, old, file_with(gtids(1, 3), *of_a(4), second=4))
        store(archive)
        (span,) = judge(archive)
        assert (span.open, span.timeline, span.ends_because) == (
            False, old, "the history ends: failover",
        )  # fmt: skip
        receive(archive, new, NEW, TAKEN_OVER)
        store(archive)
        (span,) = judge(archive)
        assert span.open

    def test_the_end_of_the_old_one_that_cannot_be_read_now_is_stored_first(
        self, archive: BinlogArchive, old: BinlogTimeline, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        receive(archive, old, OLD, FIRST)
        store(archive)
        receive(archive, old, OLD, file_with(gtids(1, 1), *of_a(2, 3, 4, 5), second=2))
        take_over(archive, old, file_with(gtids(1, 1), *of_a(2, 3, 4, 5), *of_b(1, 2), second=2))
        present = SpoolPosition(archive.received_file, archive.received_position or 0)
        real_open = open

        def failing(file: Any, *arguments: Any, **keywords: Any) -> Any:
            if str(file).endswith(OLD):
                raise OSError(errno.EIO, "Input/output error")
            return real_open(file, *arguments, **keywords)

        with monkeypatch.context() as patch:
            patch.setattr("builtins.open", failing)
            result = store_ready_pieces(archive, present, T0 + HOUR, flush=True)
        assert list(result.faults) == ["the spool"]
        store(archive)
        (span,) = judge(archive)
        assert (span.open, span.to_file) == (True, NEW)

    def test_transactions_of_its_own_from_before_leave_a_gap(
        self, archive: BinlogArchive, old: BinlogTimeline
    ) -> None:
        content = file_with(gtids(1, 3), *of_a(4), *of_b(1), *of_a(5), *of_b(2), second=4)
        new = take_over(archive, old, content)
        store(archive)
        for _ in range(2):
            assert [span.open for span in judge(archive)] == [False]
        gap = BinlogGap.objects.get()
        assert (gap.after_file, gap.before_file) == (OLD, NEW)
        assert "committed transactions of its own before" in gap.reason
        new.refresh_from_db()
        assert new.start == "server"
        with pytest.raises(Refused):
            recover(archive, RecoveryGoal(until_gtid=of_b(2)[0]))

    def test_a_piece_lost_at_the_end_of_the_old_one_is_not_passed_over(
        self, archive: BinlogArchive, old: BinlogTimeline
    ) -> None:
        take_over(archive, old, TAKEN_OVER)
        store(archive)
        SegmentCopy.objects.filter(segment__timeline=old).update(fault="missing")
        assert judge(archive) == []
        assert "take a backup" in archive.not_recoverable

    def test_the_end_of_the_present_history_lost_is_no_present(
        self, archive: BinlogArchive, old: BinlogTimeline
    ) -> None:
        """The last stored piece is gone, and nothing is stored after it."""
        receive(archive, old, OLD, FIRST)
        store(archive)
        whole = file_with(gtids(1, 1), *of_a(2, 3, 4, 5), second=2, ended=True)
        receive(archive, old, OLD, whole)
        receive(archive, old, "a.000008", file_with(gtids(1, 5), *of_a(6), second=6))
        store(archive)
        last = SegmentCopy.objects.filter(segment__file="a.000008")
        last.update(fault="missing")
        receive(archive, old, "a.000008", FIRST[:30])
        (span,) = judge(archive)
        assert (span.open, span.to_file) == (False, OLD)
        assert span.ends_because == "a.000008 from 0 on cannot be read"

    def test_what_is_in_both_may_expire(self, archive: BinlogArchive, old: BinlogTimeline) -> None:
        new = take_over(archive, old, file_with(gtids(1, 3), *of_a(4, 5), *of_b(1), ended=True))
        receive(archive, new, "b.000004", file_with(f"{gtids(1, 5)},{OTHER}:1", *of_b(2)))
        store(archive)
        assert [span.open for span in judge(archive)] == [True]
        first = BinlogSegment.objects.filter(timeline=new, file=NEW)
        SegmentCopy.objects.filter(segment__in=first).delete()
        first.delete()
        assert [span.open for span in judge(archive)] == [False]
        assert BinlogGap.objects.count() == 0

    def test_rows_written_again_from_a_repository_say_the_same(
        self, archive: BinlogArchive, old: BinlogTimeline, main: Repository
    ) -> None:
        new = take_over(archive, old, TAKEN_OVER)
        store(archive)
        seam = stored_seam(new)
        for rows in (SegmentCopy, BinlogSegment, BinlogTimeline):
            rows.objects.all().delete()
        assert [each.error for each in rebuild_segments(main, load_keys())] == ["", "", ""]
        again = BinlogTimeline.objects.get(uuid=new.uuid)
        assert (again.start, again.ended_at) == ("failover", None)
        assert seam is not None and seam.position == len(
            file_with(gtids(1, 3), *of_a(4, 5), second=4)
        )
        found = stored_seam(again)
        assert found is not None and found.position == seam.position
        assert [span.open for span in judge(archive)] == [True]

    def test_a_person_need_not_confirm_it_first(
        self, archive: BinlogArchive, old: BinlogTimeline
    ) -> None:
        archive.instance.server_identity = str(SOURCE)
        archive.instance.save()
        take_over(archive, old, TAKEN_OVER)
        store(archive)
        assert [span.open for span in judge(archive)] == [True]
        archive.instance.server_identity = "someone-else"
        archive.instance.save()
        assert [span.open for span in judge(archive)] == [False]


@pytest.mark.parametrize("stored", [True, False])
class TestRecovery:
    def test_each_transaction_is_served_once(
        self, archive: BinlogArchive, old: BinlogTimeline, stored: bool
    ) -> None:
        take_over(archive, old, TAKEN_OVER)
        if stored:
            store(archive)

        found = recover(archive, RecoveryGoal(until_gtid=of_b(2)[0]))

        # 3, 4 and 5 of the old server, 1 and 2 of the new one.
        assert (found.stop.transactions, found.failovers) == (5, 1)
        one, two = found.served.stretches
        assert (one.file, one.start) == (OLD, len(FIRST))
        assert two.start == len(file_with(gtids(1, 3), *of_a(4, 5), second=4))
        assert (two.file, found.stop.file) == ("a.000008", NEW)
        assert b"".join(found.served.binlogs.read(two.file, 0, two.stop)) == TAKEN_OVER
        assert str(found).endswith(f"to {NEW}:{len(TAKEN_OVER)}, over 1 failover")

    def test_places_on_both_servers(
        self, archive: BinlogArchive, old: BinlogTimeline, stored: bool
    ) -> None:
        take_over(archive, old, TAKEN_OVER)
        if stored:
            store(archive)
        for goal, count, last in [
            (at(3.5), 1, of_a(3)),
            (at(5), 3, of_a(5)),
            (at(6), 4, of_b(1)),
            (RecoveryGoal(before_gtid=of_b(1)[0]), 3, of_a(5)),
            (RecoveryGoal(until_gtid=of_a(4)[0]), 2, of_a(4)),
            (RecoveryGoal(file=NEW, position=len(TAKEN_OVER)), 5, of_b(2)),
        ]:
            stop = recover(archive, goal).stop
            assert (stop.transactions, [stop.last_gtid]) == (count, last), str(goal)

    def test_transactions_are_listed_once(
        self, archive: BinlogArchive, old: BinlogTimeline, stored: bool
    ) -> None:
        if not stored:
            # What the old server had is stored, the new one's file is still received.
            store(archive)
        take_over(archive, old, TAKEN_OVER)
        if stored:
            store(archive)
        binlogs = InstanceBinlogs(archive.instance, load_keys())
        found, _ = binlogs.around(None, WantedTransactions(), 20)
        assert [each.name for each in found] == [*of_a(2, 3, 4, 5), *of_b(1, 2)]
        # Whatever was changed again on either server stands against an undo.
        later = binlogs.after(binlogs.named(of_a(4)[0]), {".".join(TABLE)})
        assert [each.name for each in later] == [*of_a(5), *of_b(1, 2)]


def test_a_place_of_two_servers_is_asked_about(archive: BinlogArchive, old: BinlogTimeline) -> None:
    new = take_over(archive, old, b"")
    # Of the same name: after three transactions the one is at A:4, the other at B:1.
    receive(archive, new, OLD, TAKEN_OVER)
    three = len(file_with(gtids(1, 3), *of_a(4, 5), *of_b(1)))
    with pytest.raises(Refused, match="is a place of 2 servers"):
        recover(archive, RecoveryGoal(file=OLD, position=three))
    # What both have is a place of the old server alone.
    assert recover(archive, RecoveryGoal(file=OLD, position=len(FIRST))).stop.transactions == 0


class TestTakingOver:
    FILES = (SourceFile(NEW, 500),)

    def plan(
        self, archive: BinlogArchive, *, patient: bool = False, **variables: str
    ) -> tuple[Break | None, str]:
        facts = SourceFacts(str(OTHER), "mysql", "9.7.4", self.FILES, variables)
        # Any: it is not asked anything.
        plan = make_plan(archive, 1, facts, cast("Any", None), Remembered(patient=patient))
        return plan.broken, plan.reason

    def test_a_server_without_what_was_received_is_another_history(
        self, archive: BinlogArchive, old: BinlogTimeline
    ) -> None:
        broken, reason = self.plan(archive, gtid_executed=gtids(1, 4))
        assert broken is Break.SERVER
        assert reason.endswith(f"it does not have {SOURCE}:5, which was received")
        assert BinlogGap.objects.get().reason == reason

    def test_at_first_it_may_still_be_applying_it(
        self, archive: BinlogArchive, old: BinlogTimeline
    ) -> None:
        with pytest.raises(NotAppliedYetError, match=f"does not have {SOURCE}:5 yet"):
            self.plan(archive, patient=True, gtid_executed=gtids(1, 4))
        assert list(BinlogTimeline.objects.filter(ended_at=None)) == [old]
        assert not BinlogGap.objects.exists()

    def test_a_server_that_does_not_log_what_it_replicates_is_another_history(
        self, archive: BinlogArchive, old: BinlogTimeline
    ) -> None:
        broken, reason = self.plan(archive, gtid_executed=gtids(1, 5), log_replica_updates="OFF")
        assert broken is Break.SERVER
        assert reason.endswith("what it replicated is not in its binary log")

    def test_what_was_received_is_known_without_the_spool(
        self, archive: BinlogArchive, old: BinlogTimeline
    ) -> None:
        BinlogTimeline.objects.update(ended_at=T0)
        store(archive)
        BinlogTimeline.objects.update(ended_at=None)
        assert spooled() == []
        assert str(gtids_held(archive.instance)) == gtids(1, 5)

    def test_one_that_left_before_anything_arrived_is_passed_over(
        self, archive: BinlogArchive, old: BinlogTimeline
    ) -> None:
        between = take_over(archive, old, b"")
        spool_file(between, NEW).unlink()
        assert str(gtids_held(archive.instance)) == gtids(1, 5)
        new = take_over(archive, between, TAKEN_OVER, at=12)
        assert gtids_held(archive.instance) == parse_gtids(f"{gtids(1, 5)},{OTHER}:1-2")
        store(archive)
        (span,) = judge(archive)
        assert (span.open, span.timeline) == (True, new)
        assert recover(archive, at(6)).stop.last_gtid == of_b(1)[0]
