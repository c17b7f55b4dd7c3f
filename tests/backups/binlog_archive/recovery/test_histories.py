"""Is each history stored for itself, and by the process that owns the archive alone?"""

from __future__ import annotations

from typing import Any, cast

import pytest

from backups.binlog_archive.receiving.plan import Remembered, make_plan
from backups.binlog_archive.receiving.source import SourceFacts
from backups.binlog_archive.spool import spool_folder
from backups.binlog_archive.storing.store import store_ready_pieces
from backups.binlogs.dump.start import Break, SourceFile
from backups.exceptions import LeaseLost
from backups.models import (
    BinlogArchive,
    BinlogSegment,
    BinlogTimeline,
)
from tests.backups.binlog_archive.spooled import (
    MINUTE,
    T0,
    binlog,
    spool,
    spooled,
    timeline_of,
)

pytestmark = pytest.mark.django_db(transaction=True)
LATER = T0 + 2 * MINUTE


class TestHistories:
    def test_a_name_that_is_used_again_is_another_file(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        old = binlog(1, 6, ended=False)
        spool(timeline, "b.000001", old)
        BinlogTimeline.objects.update(ended_at=T0)
        after = timeline_of(archive.instance, start="reset")
        present = spool(after, "b.000001", binlog(1, 2, ended=False))
        store_ready_pieces(archive, present, LATER)
        ends = BinlogSegment.objects.order_by("timeline").values_list("timeline", "end")
        assert list(ends) == [(timeline.pk, len(old)), (after.pk, present.position)]
        assert not spool_folder(timeline).exists()

    def test_what_retention_deleted_is_not_stored_again(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        spool(timeline, "b.000002", binlog(3, 4))
        store_ready_pieces(archive, spool(timeline, "b.000003", binlog(5, 5)), T0)
        spool(timeline, "b.000001", binlog(1, 2))
        result = store_ready_pieces(archive, spool(timeline, "b.000003", binlog(5, 5)), T0)
        assert (result.stored, result.faults) == (0, {})
        assert spooled() == ["b.000003"]


class TestTornEnd:
    @pytest.mark.parametrize("kept", [0, 4, 30, -1, -40])
    def test_what_a_crash_left_in_an_ended_history_is_no_damage(
        self, archive: BinlogArchive, timeline: BinlogTimeline, kept: int
    ) -> None:
        content = binlog(1, 3, ended=False)
        spool(timeline, "b.000005", content[:kept])
        # The source was reset meanwhile.
        facts = SourceFacts(
            timeline.server_identity, "mysql", "9.7.4", [SourceFile("b.000001", 200)]
        )
        plan = make_plan(archive, 1, facts, cast("Any", None), Remembered())
        assert plan.broken is Break.RESET
        result = store_ready_pieces(archive, None, LATER)
        assert (result.faults, result.backlog_bytes) == ({}, 0)
        assert spooled() == []
        transactions = BinlogSegment.objects.values_list("transactions", flat=True)
        assert list(transactions) == ([2] if kept < 0 else [])


class TestOwnership:
    def test_another_process_that_took_over_stops_it(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        spool(timeline, "b.000001", binlog(1, 3))
        present = spool(timeline, "b.000002", binlog(4, 4))
        BinlogArchive.objects.update(token=2)
        with pytest.raises(LeaseLost):
            store_ready_pieces(archive, present, T0)
        assert not BinlogSegment.objects.exists()

    def test_files_of_an_ended_timeline_are_drained(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        spool(timeline, "b.000001", binlog(1, 3, ended=False))
        BinlogTimeline.objects.update(ended_at=T0)
        assert store_ready_pieces(archive, None, T0).stored == 2
        assert not spool_folder(timeline).exists()

    def test_without_a_receiver_the_newest_file_stays_open(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        spool(timeline, "b.000001", binlog(1, 3))
        assert store_ready_pieces(archive, None, LATER).stored == 0
