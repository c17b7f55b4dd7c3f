"""Is nothing believed that was not compared: the spool, the borders of files, a repository?"""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.access import checked_store
from backups.binlog_archive.spool import SpoolPosition
from backups.binlog_archive.storing.cutting import facts_of
from backups.binlog_archive.storing.store import store_ready_pieces
from backups.binlogs.events.header import FIRST_OFFSET, read_header
from backups.binlogs.segments.writer import write_segment
from backups.keys.load import load_keys
from backups.models import BinlogArchive, BinlogSegment, BinlogTimeline, Repository, SegmentCopy
from tests.backups.binlog_archive.spooled import MINUTE, SECOND, T0, binlog, gtids, spool, spooled

pytestmark = pytest.mark.django_db(transaction=True)
LATER = T0 + 2 * MINUTE


def ranges() -> list[tuple[str, int, int, bool]]:
    rows = BinlogSegment.objects.order_by("file_number", "start")
    return [(row.file, row.start, row.end, row.joined) for row in rows]


class TestJoining:
    @pytest.mark.parametrize("lost", [1, 2])
    def test_a_file_that_lost_its_end_in_the_spool_does_not_join_the_next(
        self, archive: BinlogArchive, timeline: BinlogTimeline, lost: int
    ) -> None:
        spool(timeline, "b.000001", binlog(1, 4 - lost, ended=False))
        store_ready_pieces(archive, spool(timeline, "b.000002", binlog(5, 6)), LATER)
        spool(timeline, "b.000003", binlog(7, 7))
        store_ready_pieces(archive, SpoolPosition("b.000003", 4), LATER)
        assert [(file, joined) for file, _, _, joined in ranges()] == [
            ("b.000001", False),
            ("b.000002", False),
        ]

    def test_the_next_number_after_a_reset_is_another_history(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        spool(timeline, "b.000001", binlog(1, 4))
        spool(timeline, "b.000002", binlog(1, 2))
        store_ready_pieces(archive, spool(timeline, "b.000003", binlog(3, 3)), LATER)
        assert [joined for *_, joined in ranges()] == [False, False]


class TestDistrust:
    def test_a_spool_whose_checksums_were_switched_off_is_not_stored(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        """The second piece begins behind the event that says whether there are checksums."""
        whole = bytearray(binlog(1, 4))
        two = len(binlog(1, 2, ended=False))
        spool(timeline, "b.000001", bytes(whole))
        store_ready_pieces(archive, SpoolPosition("b.000001", two), LATER)
        whole[FIRST_OFFSET + read_header(whole, FIRST_OFFSET).size - 5] = 0
        whole[-70] ^= 1
        spool(timeline, "b.000001", bytes(whole))
        result = store_ready_pieces(archive, spool(timeline, "b.000002", binlog(5, 5)), LATER)
        assert "checksum" in result.faults["the spool"]
        assert ranges() == [("b.000001", 0, two, False)]

    def test_what_a_repository_says_of_an_unknown_piece_is_not_believed(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        """After the loss of a row its manifest says which cut was made, and nothing else."""
        archive.repositories.set([main])
        whole = binlog(1, 4, ended=False)
        present = spool(timeline, "b.000001", whole)
        store_ready_pieces(archive, present, LATER)
        segment = BinlogSegment.objects.get()
        segment.gtids_after, segment.transactions = gtids(1, 900), 900
        segment.last_commit_at = T0 + 1000 * MINUTE
        store = checked_store(main)
        for name in (facts_of(segment).place.data_name, facts_of(segment).place.manifest_name):
            store.remove(name)
        write_segment(
            store,
            facts_of(segment),
            [whole],
            index=b"",
            key=load_keys().current,
            check=lambda: None,
        )
        SegmentCopy.objects.all().delete()
        BinlogSegment.objects.all().delete()

        store_ready_pieces(archive, present, LATER)

        again = BinlogSegment.objects.get()
        assert (again.gtids_after, again.transactions) == (gtids(1, 4), 4)
        assert again.last_commit_at == T0 + 4 * SECOND

    @pytest.mark.parametrize("changed", [b"", b"garbage", None])
    def test_only_a_piece_that_can_be_read_is_taken_for_stored(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        main: Repository,
        changed: bytes | None,
    ) -> None:
        """The manifest of a killed attempt is there; of its bytes the disk has lost some."""
        archive.repositories.set([main])
        content = binlog(1, 4)
        spool(timeline, "b.000001", content)
        present = spool(timeline, "b.000002", binlog(5, 5, ended=False))
        store_ready_pieces(archive, present, T0)
        copy = SegmentCopy.objects.get()
        path = Path(main.path) / copy.path
        if changed is None:
            path.write_bytes(path.read_bytes()[:-1] + b"\0")
        else:
            path.write_bytes(changed)
        copy.delete()
        spool(timeline, "b.000001", content)

        result = store_ready_pieces(archive, present, T0)

        assert list(result.faults) == ["main"]
        assert spooled() == ["b.000001", "b.000002"]
        assert not SegmentCopy.objects.exists()
