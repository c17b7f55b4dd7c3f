"""Do received binlogs get into every repository, whatever fails or is killed meanwhile?"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from backups.archive.keys import create_key_file
from backups.binlog_archive.reader import ArchivedBinlogs
from backups.binlog_archive.spool import SpoolPosition, spool_folder
from backups.binlog_archive.storing import cutting
from backups.binlog_archive.storing.store import store_ready_pieces
from backups.binlogs.index.read import SegmentIndex
from backups.keys.load import load_keys
from backups.models import (
    BinlogArchive,
    BinlogSegment,
    BinlogTimeline,
    Repository,
    SegmentCopy,
)
from tests.backups.binlog_archive.spooled import (
    MINUTE,
    SECOND,
    T0,
    binlog,
    gtids,
    spool,
    spooled,
)
from tests.backups.binlogs.made import SOURCE, event, file_of, mysql_gtid, query, real, xid
from tests.backups.schedules.test_crash import Killed, Killer

pytestmark = pytest.mark.django_db(transaction=True)
LATER = T0 + 2 * MINUTE


def read_all(timeline: BinlogTimeline, file: str, size: int) -> bytes:
    return b"".join(ArchivedBinlogs(timeline, load_keys()).read(file, 0, size))


def ranges() -> list[tuple[str, int, int, bool]]:
    rows = BinlogSegment.objects.order_by("file_number", "start")
    return [(row.file, row.start, row.end, row.joined) for row in rows]


class TestCutting:
    def test_a_finished_file_is_stored_everywhere_and_leaves_the_spool(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        first, second = binlog(1, 3), binlog(4, 5, ended=False)
        spool(timeline, "b.000001", first)
        present = spool(timeline, "b.000002", second)

        result = store_ready_pieces(archive, present, T0 + SECOND)

        assert (result.stored, result.faults, result.backlog_bytes) == (2, {}, len(second))
        assert spooled() == ["b.000002"]
        assert ranges() == [("b.000001", 0, len(first), False)]
        segment = BinlogSegment.objects.get()
        assert (segment.last_of_file, segment.transactions) == (True, 3)
        assert (segment.gtids_before, segment.gtids_after) == ("", gtids(1, 3))
        assert (segment.first_commit_at, segment.last_commit_at) == (T0 + SECOND, T0 + 3 * SECOND)
        (_, packed) = next(ArchivedBinlogs(timeline, load_keys()).indexes("b.000001"))
        index = SegmentIndex.unpack(packed)
        found = [index.transaction(number).gtid for number in range(len(index))]
        assert found == [f"{SOURCE}:{number}" for number in (1, 2, 3)]
        assert read_all(timeline, "b.000001", len(first)) == first
        assert read_all(timeline, "b.000002", len(second)) == second

    def test_an_open_file_is_cut_after_a_minute_at_a_transaction(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        whole = binlog(1, 4)
        two = len(binlog(1, 2, ended=False))
        spool(timeline, "b.000001", whole[: two + 40])
        present = SpoolPosition("b.000001", two)

        assert store_ready_pieces(archive, present, T0 + MINUTE - SECOND).stored == 0
        assert store_ready_pieces(archive, present, T0 + MINUTE).stored == 2
        assert ranges() == [("b.000001", 0, two, False)]

        spool(timeline, "b.000001", whole)
        present = spool(timeline, "b.000002", binlog(5, 5, ended=False))
        store_ready_pieces(archive, present, LATER)
        store_ready_pieces(archive, present, LATER + MINUTE)
        assert ranges() == [
            ("b.000001", 0, two, False),
            ("b.000001", two, len(whole), True),
            ("b.000002", 0, present.position, True),
        ]
        sets = BinlogSegment.objects.values_list("gtids_before", "gtids_after")
        assert list(sets) == [
            ("", gtids(1, 2)),
            (gtids(1, 2), gtids(1, 4)),
            (gtids(1, 4), gtids(1, 5)),
        ]
        assert read_all(timeline, "b.000001", len(whole)) == whole

    def test_what_was_begun_meanwhile_is_not_stored_before_what_it_follows(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        first, second = binlog(1, 3), binlog(4, 5)
        spool(timeline, "b.000001", first)
        spool(timeline, "b.000002", second)
        present = spool(timeline, "b.000003", binlog(6, 6, ended=False))

        # What was known of the receiver before the spool was listed.
        result = store_ready_pieces(archive, SpoolPosition("b.000001", 4), LATER)

        assert (result.faults, ranges()) == ({}, [])
        assert store_ready_pieces(archive, present, LATER).faults == {}
        assert ranges() == [
            ("b.000001", 0, len(first), False),
            ("b.000002", 0, len(second), True),
        ]

    def test_a_large_file_is_cut_at_transactions(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(cutting.Cutting.__init__, "__defaults__", (False, 1000))
        whole = binlog(1, 9, filler=400)
        spool(timeline, "b.000001", whole)
        store_ready_pieces(archive, spool(timeline, "b.000002", binlog(10, 10)), T0)
        cuts = ranges()
        assert len(cuts) > 3
        assert all(joined for *_, joined in cuts[1:])
        assert sum(BinlogSegment.objects.values_list("transactions", flat=True)) == 9
        assert read_all(timeline, "b.000001", len(whole)) == whole

    def test_events_that_the_index_does_not_know_are_stored_without_one(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        rows_of_no_table = event(31, bytes(30))
        content = file_of(mysql_gtid(1, 10**15), query(b"BEGIN"), rows_of_no_table, xid())
        spool(timeline, "b.000001", content)
        store_ready_pieces(archive, spool(timeline, "b.000002", binlog(2, 2)), T0)
        assert read_all(timeline, "b.000001", len(content)) == content
        assert next(ArchivedBinlogs(timeline, load_keys()).indexes("b.000001"))[1] == b""

    def test_nothing_is_cut_for_a_header_alone(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        present = spool(timeline, "b.000001", binlog(1, 0, ended=False))
        assert store_ready_pieces(archive, present, LATER, flush=True).stored == 0

    def test_a_file_of_a_server_that_crashed_ends_with_its_last_piece(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        present = spool(timeline, "b.000001", binlog(1, 2, ended=False))
        store_ready_pieces(archive, present, LATER)
        present = spool(timeline, "b.000002", binlog(3, 3, ended=False))
        store_ready_pieces(archive, present, LATER + 2 * MINUTE)
        assert [joined for *_, joined in ranges()] == [False, True]
        assert spooled() == ["b.000002"]

    def test_a_file_that_is_missing_breaks_the_row(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        spool(timeline, "b.000001", binlog(1, 2))
        spool(timeline, "b.000003", binlog(5, 6))
        store_ready_pieces(archive, spool(timeline, "b.000004", binlog(7, 7)), T0)
        assert [joined for *_, joined in ranges()] == [False, False]

    @pytest.mark.parametrize("name", ["mysql-statements", "mariadb-statements", "mariadb-formats"])
    def test_real_files_come_back(
        self, archive: BinlogArchive, timeline: BinlogTimeline, name: str
    ) -> None:
        content = real(name)
        spool(timeline, "b.000001", content)
        store_ready_pieces(archive, spool(timeline, "b.000002", binlog(1, 1)), T0)
        assert read_all(timeline, "b.000001", len(content)) == content
        assert BinlogSegment.objects.get().gtids_after

    def test_bytes_that_the_spools_disk_changed_are_not_stored(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        whole_until = len(binlog(1, 2, ended=False))
        content = bytearray(binlog(1, 3))
        content[-1] ^= 4
        # In the third transaction's first event.
        content[whole_until + 30] ^= 4
        spool(timeline, "b.000001", bytes(content))
        spool(timeline, "b.000002", binlog(4, 5))
        present = spool(timeline, "b.000003", binlog(6, 6, ended=False))
        result = store_ready_pieces(archive, present, T0)
        assert "does not match its checksum" in result.faults["the spool"]
        # What is before it and after it is stored, and does not join.
        cuts = [("b.000001", 0, whole_until, False), ("b.000002", 0, len(binlog(4, 5)), False)]
        assert ranges() == cuts
        assert result.stored == 4
        assert spooled() == ["b.000001", "b.000003"]
        # And it stays known.
        store_ready_pieces(archive, present, T0)
        archive.refresh_from_db()
        assert archive.store_fault.startswith("the spool: ")
        assert f"from {whole_until} on is damaged" in archive.store_fault

    def test_a_spool_that_cannot_be_read_now_is_stored_later(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        spool(timeline, "b.000001", binlog(1, 2))
        spool(timeline, "b.000002", binlog(3, 4))
        present = spool(timeline, "b.000003", binlog(5, 5, ended=False))
        real_open = open

        def failing(file: Any, *arguments: Any, **keywords: Any) -> Any:
            if str(file).endswith("b.000001"):
                raise OSError(errno.EIO, "Input/output error")
            return real_open(file, *arguments, **keywords)

        with monkeypatch.context() as patch:
            patch.setattr("builtins.open", failing)
            result = store_ready_pieces(archive, present, T0)
        assert (result.stored, list(result.faults)) == (0, ["the spool"])
        assert store_ready_pieces(archive, present, T0).stored == 4
        assert [joined for *_, joined in ranges()] == [False, True]


class TestRepositories:
    def test_one_that_is_missing_gets_its_pieces_later(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        aside = Path(main.path).with_name("aside")
        Path(main.path).rename(aside)
        content = binlog(1, 3)
        spool(timeline, "b.000001", content)
        present = spool(timeline, "b.000002", binlog(4, 4, ended=False))

        result = store_ready_pieces(archive, present, T0)
        assert (result.stored, list(result.faults)) == (1, ["main"])
        assert spooled() == ["b.000001", "b.000002"]
        archive.refresh_from_db()
        assert archive.store_fault.startswith("main: ")
        assert archive.backlog_bytes == len(content) + present.position
        assert read_all(timeline, "b.000001", len(content)) == content

        aside.rename(main.path)
        result = store_ready_pieces(archive, present, T0 + SECOND)
        assert (result.stored, result.faults) == (1, {})
        assert spooled() == ["b.000002"]
        archive.refresh_from_db()
        assert archive.store_fault == ""

    def test_one_without_its_key_keeps_the_spool(
        self, archive: BinlogArchive, timeline: BinlogTimeline, key_file: Path
    ) -> None:
        key_file.unlink()
        spool(timeline, "b.000001", binlog(1, 3))
        result = store_ready_pieces(archive, spool(timeline, "b.000002", binlog(4, 4)), T0)
        assert (result.stored, list(result.faults)) == (1, ["main"])
        create_key_file(key_file)
        assert store_ready_pieces(archive, None, T0).stored == 1

    def test_a_full_one_is_not_begun(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        usage = shutil.disk_usage(spool_folder(timeline).parents[3])
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
        spool(timeline, "b.000001", binlog(1, 3))
        result = store_ready_pieces(archive, spool(timeline, "b.000002", binlog(4, 4)), T0)
        assert "may not fit" in result.faults["main"]
        assert spooled() == ["b.000001", "b.000002"]

    def test_another_segment_in_its_place_is_not_overwritten(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        spool(timeline, "b.000001", binlog(1, 3))
        present = spool(timeline, "b.000002", binlog(4, 4, ended=False))
        store_ready_pieces(archive, present, T0)
        SegmentCopy.objects.all().delete()
        BinlogSegment.objects.all().delete()
        spool(timeline, "b.000001", binlog(1, 4))
        result = store_ready_pieces(archive, present, T0)
        assert set(result.faults) == {"main", "copy-site"}
        assert "another segment" in result.faults["main"]

    def test_after_the_loss_of_rows_the_old_cut_is_taken_again(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        whole, two = binlog(1, 4), len(binlog(1, 2, ended=False))
        spool(timeline, "b.000001", whole)
        store_ready_pieces(archive, SpoolPosition("b.000001", two), LATER)
        SegmentCopy.objects.all().delete()
        BinlogSegment.objects.all().delete()
        store_ready_pieces(archive, spool(timeline, "b.000002", binlog(5, 5)), LATER)
        assert [each[:3] for each in ranges()][:2] == [
            ("b.000001", 0, two),
            ("b.000001", two, len(whole)),
        ]
        assert read_all(timeline, "b.000001", len(whole)) == whole

    def test_without_any_the_spool_keeps_everything(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        archive.repositories.clear()
        spool(timeline, "b.000001", binlog(1, 3))
        store_ready_pieces(archive, spool(timeline, "b.000002", binlog(4, 4)), LATER)
        assert spooled() == ["b.000001", "b.000002"]


class TestKilled:
    def test_between_any_two_statements_the_next_call_completes(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        content = binlog(1, 3)
        for statements in range(200):
            start_again(timeline)
            spool(timeline, "b.000001", content)
            present = spool(timeline, "b.000002", binlog(4, 4, ended=False))
            killer = Killer(statements)
            try:
                with connection.execute_wrapper(killer):
                    store_ready_pieces(archive, present, T0)
            except Killed:
                connection.close()
            store_ready_pieces(archive, present, T0)
            assert is_complete(timeline, content), f"killed after {statements} statements"
            if killer.left:
                return
        pytest.fail("it never came to its end")

    @pytest.mark.parametrize("call", ["fsync", "rename", "unlink"])
    def test_between_any_two_steps_on_disk_the_next_call_completes(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        monkeypatch: pytest.MonkeyPatch,
        call: str,
    ) -> None:
        content, real_call = binlog(1, 3), getattr(os, call)
        for steps in range(50):
            start_again(timeline)
            spool(timeline, "b.000001", content)
            present = spool(timeline, "b.000002", binlog(4, 4, ended=False))
            killer = Killer(steps)

            def killed(*arguments: Any, killer: Killer = killer, **keywords: Any) -> Any:
                return killer(lambda *given: real_call(*given, **keywords), *arguments)

            with monkeypatch.context() as patch:
                patch.setattr(os, call, killed)
                with contextlib.suppress(Killed):
                    store_ready_pieces(archive, present, T0)
            store_ready_pieces(archive, present, T0)
            assert is_complete(timeline, content), f"killed after {steps} of {call}"
            if killer.left:
                return
        pytest.fail("it never came to its end")


def start_again(timeline: BinlogTimeline) -> None:
    SegmentCopy.objects.all().delete()
    BinlogSegment.objects.all().delete()
    for repository in Repository.objects.all():
        shutil.rmtree(Path(repository.path) / "instances", ignore_errors=True)


def is_complete(timeline: BinlogTimeline, content: bytes) -> bool:
    copies = SegmentCopy.objects.count()
    return (
        copies == 2
        and spooled() == ["b.000002"]
        and read_all(timeline, "b.000001", len(content)) == content
    )
