"""Which rows say from when to when an instance is recoverable?"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.archive.keys import create_key_file
from backups.binlog_archive.receiving.checks import check_keys
from backups.binlog_archive.receiving.source import SourceFacts
from backups.binlog_archive.receiving.timelines import begin_timeline
from backups.binlog_archive.recovery.coverage import judge_archive, judge_due, recoverable_to
from backups.binlog_archive.recovery.from_backup import find_recovery
from backups.binlog_archive.recovery.goals import RecoveryGoal
from backups.binlog_archive.recovery.starts import start_point
from backups.binlog_archive.spool import SpoolPosition, spool_file
from backups.binlog_archive.storing.condition import EVERY, check_segments
from backups.binlog_archive.storing.store import store_ready_pieces
from backups.binlogs.dump.session import DumpStart
from backups.binlogs.dump.start import Break, SourceFile, Start
from backups.checks import Verdict
from backups.exceptions import Refused
from backups.models import (
    Backup,
    BackupCopy,
    BinlogArchive,
    BinlogTimeline,
    Instance,
    RecoverableRange,
    Repository,
    SegmentCopy,
)
from tests.backups.binlog_archive.spooled import (
    HOUR,
    MINUTE,
    SECOND,
    T0,
    binlog,
    gtids,
    spool,
    timeline_of,
)
from tests.backups.binlog_archive.stored import backup_at, store_files

pytestmark = pytest.mark.django_db(transaction=True)


def judge(archive: BinlogArchive) -> list[RecoverableRange]:
    judge_archive(archive, T0 + HOUR)
    archive.refresh_from_db()
    return list(RecoverableRange.objects.order_by("from_at"))


class TestRanges:
    def test_a_backup_and_the_binlogs_after_it_lead_to_the_present(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        files = store_files(archive, timeline, 2)
        backup = backup_at(archive.instance, main, "b.000001", len(files[0]), gtids=gtids(1, 3))
        (span,) = judge(archive)
        assert (span.oldest_backup, span.newest_backup) == (backup, backup)
        assert (span.open, span.from_at) == (True, backup.ended_at)
        assert (span.to_file, span.to_position) == ("b.000002", len(files[1]))
        assert (archive.not_recoverable, archive.judged_at) == ("", T0 + HOUR)

    def test_a_backup_with_other_transactions_does_not_join(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        files = store_files(archive, timeline, 2)
        backup_at(archive.instance, main, "b.000001", len(files[0]), gtids=gtids(1, 9))
        assert judge(archive) == []
        assert "no restorable backup has coordinates" in archive.not_recoverable

    def test_a_backup_that_cannot_be_restored_does_not_count(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        store_files(archive, timeline, 1)
        backup_at(archive.instance, main, "b.000001", 4)
        BackupCopy.objects.update(fault="missing")
        assert judge(archive) == []

    def test_without_binlogs_it_says_so(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        assert judge(archive) == []
        assert archive.not_recoverable == "no binlog is stored yet"

    def test_an_ended_history_is_closed(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        store_files(archive, timeline, 1)
        backup_at(archive.instance, main, "b.000001", 4)
        BinlogTimeline.objects.update(ended_at=T0 + HOUR)
        timeline_of(archive.instance, start="reset", began_at=T0 + HOUR)
        (span,) = judge(archive)
        assert (span.open, span.ends_because) == (False, "the history ends: binlogs were reset")
        assert "take a backup" in archive.not_recoverable

    def test_a_piece_missing_from_all_repositories_cuts_it_until_it_is_back(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        main: Repository,
        copy_site: Repository,
    ) -> None:
        store_files(archive, timeline, 3)
        backup_at(archive.instance, main, "b.000001", 4)
        aside = []
        for copy in SegmentCopy.objects.filter(segment__file="b.000002"):
            path = Path(copy.repository.path) / copy.path
            aside.append((path.rename(path.with_suffix(".aside")), path))
            check_segments(T0 + HOUR)
        assert SegmentCopy.objects.filter(fault="missing").count() == 1
        SegmentCopy.objects.update(checked_at=None)
        check_segments(T0 + HOUR)
        (span,) = judge(archive)
        assert (span.open, span.to_file) == (False, "b.000001")
        assert span.ends_because == "b.000002 from 0 on cannot be read"

        for kept, path in aside:
            kept.rename(path)
        assert check_segments(T0 + HOUR + EVERY) == 0
        archive.refresh_from_db()
        assert archive.judged_at is None
        (span,) = judge(archive)
        assert span.open


class TestSilentGaps:
    """What is missing, and in no row of a piece."""

    def received(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        main: Repository,
    ) -> None:
        """Two files are stored; then no repository takes any, and three more arrive."""
        store_files(archive, timeline, 2)
        backup_at(archive.instance, main, "b.000001", 4)
        for number in (3, 4, 5):
            present = spool(timeline, f"b.{number:06}", binlog(number, number, ended=number < 5))
        BinlogArchive.objects.update(
            received_file=present.file,
            received_position=present.position,
            last_commit_at=T0 + HOUR,
            lag_bytes=0,
            source_asked_at=T0 + HOUR,
        )

    @pytest.mark.parametrize("file", ["b.000003", "b.000004", "b.000005"])
    def test_a_file_lost_from_the_spool_before_it_was_stored(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        main: Repository,
        file: str,
    ) -> None:
        self.received(archive, timeline, main)
        (span,) = judge(archive)
        assert span.open
        spool_file(timeline, file).unlink()
        (span,) = judge(archive)
        assert recoverable_to(archive, span) < T0 + MINUTE * 2
        assert span.ends_because == f"{file} is not in the spool as far as it was received"
        assert file in archive.not_recoverable

    def test_a_file_of_the_spool_that_lost_its_end(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        main: Repository,
    ) -> None:
        self.received(archive, timeline, main)
        os.truncate(spool_file(timeline, "b.000005"), 40)
        assert [span.open for span in judge(archive)] == [False]

    def test_a_file_of_the_spool_that_is_damaged(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        main: Repository,
    ) -> None:
        self.received(archive, timeline, main)
        path = spool_file(timeline, "b.000003")
        content = bytearray(path.read_bytes())
        content[-60] ^= 1
        path.write_bytes(content)
        # The file that is received has no transaction that is durable.
        store_ready_pieces(archive, SpoolPosition("b.000004", 4), T0 + HOUR)
        archive.refresh_from_db()
        (span,) = judge(archive)
        assert not span.open
        assert "b.000003" in span.ends_because

    def test_of_the_spool_of_another_host_nothing_is_known(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        main: Repository,
    ) -> None:
        self.received(archive, timeline, main)
        spool_file(timeline, "b.000003").unlink()
        BinlogArchive.objects.update(holder="other:/var/lib/mooring/binlogs")
        assert [span.open for span in judge(archive)] == [True]

    def test_another_server_was_confirmed(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        main: Repository,
    ) -> None:
        self.received(archive, timeline, main)
        Instance.objects.update(server_identity=timeline.server_identity)
        assert [span.open for span in judge(archive)] == [True]
        Instance.objects.update(server_identity="another")
        (span,) = judge(archive)
        assert (span.open, span.to_file) == (False, "b.000002")
        assert "another server" in span.ends_because

    @pytest.mark.parametrize("why", [Break.RESET, Break.SERVER])
    def test_another_history_ends_it_at_once(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        main: Repository,
        why: Break,
    ) -> None:
        self.received(archive, timeline, main)
        judge(archive)
        facts = SourceFacts("b", "mysql", "9.7.4", [SourceFile("b.000001", 4)])
        start = Start(DumpStart("b.000001", 4), why, "it was reset")
        after = begin_timeline(archive, archive.token, facts, start)
        (span,) = RecoverableRange.objects.all()
        assert (span.open, span.ends_because) == (False, "the history ends: it was reset")
        # The names are used again. The backup is of the bytes that they had before.
        present = spool(after, "b.000001", binlog(1, 9, ended=False))
        store_ready_pieces(archive, present, T0 + 2 * HOUR, flush=True)
        assert [(each.timeline, each.open) for each in judge(archive)] == [(timeline, False)]

    def test_histories_are_in_the_order_in_which_they_began(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        store_files(archive, timeline, 2)
        backup_at(archive.instance, main, "b.000001", 4)
        # Registered later, as from a repository.
        earlier = timeline_of(archive.instance, began_at=T0 - HOUR, ended_at=T0)
        BinlogTimeline.objects.filter(pk=timeline.pk).update(start="reset")
        assert [each.timeline for each in judge(archive)] == [timeline]
        Backup.objects.update(started_at=T0 - 2 * MINUTE, ended_at=T0 - MINUTE)
        assert judge(archive) == []
        assert earlier.pk > timeline.pk


class TestTick:
    def test_it_takes_what_is_due(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        files = store_files(archive, timeline, 2)
        backup_at(archive.instance, main, "b.000001", len(files[0]), gtids=gtids(1, 3))
        assert judge_due(T0 + HOUR) == 1
        assert judge_due(T0 + HOUR + 4 * MINUTE) == 0
        assert judge_due(T0 + HOUR + 5 * MINUTE) == 1

    def test_what_may_have_changed_is_due_sooner(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        assert judge_due(T0 + HOUR) == 1
        # No moment is recoverable.
        assert judge_due(T0 + HOUR + 49 * SECOND) == 0
        # A tick comes a moment early.
        assert judge_due(T0 + HOUR + 59 * SECOND) == 1
        files = store_files(archive, timeline, 2)
        backup = backup_at(archive.instance, main, "b.000001", len(files[0]), gtids=gtids(1, 3))
        assert judge_due(T0 + HOUR + 2 * MINUTE) == 1
        assert judge_due(T0 + HOUR + 3 * MINUTE) == 0
        backup.ended_at = T0 + HOUR + 2 * MINUTE + SECOND
        backup.save()
        assert judge_due(T0 + HOUR + 3 * MINUTE) == 1


class TestRecoverableTo:
    def span(self, *, is_open: bool) -> RecoverableRange:
        return RecoverableRange(to_at=T0, open=is_open)

    def test_a_closed_window_ends_where_it_ends(self) -> None:
        archive = BinlogArchive(last_commit_at=T0 + HOUR)
        assert recoverable_to(archive, self.span(is_open=False)) == T0

    def test_an_open_one_goes_on_to_what_was_received(self) -> None:
        archive = BinlogArchive(last_commit_at=T0 + HOUR)
        assert recoverable_to(archive, self.span(is_open=True)) == T0 + HOUR
        assert recoverable_to(BinlogArchive(), self.span(is_open=True)) == T0

    def test_an_idle_source_does_not_look_late(self) -> None:
        archive = BinlogArchive(last_commit_at=T0, lag_bytes=0, source_asked_at=T0 + HOUR)
        assert recoverable_to(archive, self.span(is_open=True)) == T0 + HOUR


class TestCondition:
    @pytest.mark.parametrize("suffix", [".segment", ".json.zst"])
    def test_a_changed_object_is_found(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository, suffix: str
    ) -> None:
        archive.repositories.set([main])
        store_files(archive, timeline, 1)
        assert check_segments(T0) == 0
        copy = SegmentCopy.objects.get(repository=main)
        path = (Path(main.path) / copy.path).with_suffix(suffix)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        assert check_segments(T0 + EVERY - SECOND) == 0
        assert check_segments(T0 + EVERY) == 1
        copy.refresh_from_db()
        assert (copy.fault, copy.checked_at) == ("changed", T0 + EVERY)

    def test_a_shortened_object_is_found_without_the_key(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository, key_file: Path
    ) -> None:
        store_files(archive, timeline, 1)
        key_file.unlink()
        copy = SegmentCopy.objects.get(repository=main)
        path = Path(main.path) / copy.path
        path.write_bytes(path.read_bytes()[:-1])
        assert check_segments(T0) == 1
        copy.refresh_from_db()
        assert copy.fault == "changed"

    def test_a_repository_that_is_not_there_is_no_fault_of_its_copies(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        store_files(archive, timeline, 1)
        Path(main.path).rename(Path(main.path).with_name("aside"))
        assert check_segments(T0 + timedelta(days=8)) == 0


class TestKeys:
    def test_pieces_without_their_key_are_not_there(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        main: Repository,
        settings: Settings,
        tmp_path: Path,
    ) -> None:
        archive.repositories.set([main])
        files = store_files(archive, timeline, 2)
        backup = backup_at(archive.instance, main, "b.000001", len(files[0]), gtids=gtids(1, 3))
        lost = SegmentCopy.objects.values_list("key_id", flat=True).distinct().get()
        assert [span.open for span in judge(archive)] == [True]
        kept, settings.BACKUP_KEY_FILE = settings.BACKUP_KEY_FILE, tmp_path / "another.key"
        for create in (False, True):
            if create:
                create_key_file(tmp_path / "another.key")
            assert judge(archive) == []
            assert archive.not_recoverable.endswith(f"keys that are missing: {lost}")
            assert check_keys(archive.instance).verdict is Verdict.WARNING
            start = start_point(backup)
            assert start is not None
            with pytest.raises(Refused, match=f"the keys {lost} of some pieces are missing"):
                find_recovery(archive.instance, start, RecoveryGoal(until=T0 + HOUR))
        settings.BACKUP_KEY_FILE = kept
        assert [span.open for span in judge(archive)] == [True]
        assert check_keys(archive.instance).verdict is Verdict.OK
