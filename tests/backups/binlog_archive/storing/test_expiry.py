"""Are pieces deleted once no recovery needs them, and never before?"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils.timezone import now

from backups.binlog_archive.recovery.coverage import judge_archive
from backups.binlog_archive.storing.store import store_ready_pieces
from backups.exceptions import Refused
from backups.models import (
    Backup,
    BackupAncestor,
    BackupCopy,
    BinlogArchive,
    BinlogSegment,
    BinlogTimeline,
    Job,
    RecoverableRange,
    Repository,
    SegmentCopy,
    TickHeartbeat,
)
from backups.retention.binlogs import TICK, binlog_needs, expire_binlogs
from backups.states import Operation
from tests.backups.binlog_archive.spooled import binlog, spool
from tests.backups.binlog_archive.stored import backup_at, store_files
from tests.backups.schedules.test_crash import Killed, Killer

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)


@pytest.fixture
def stored(archive: BinlogArchive, timeline: BinlogTimeline, main: Repository) -> list[bytes]:
    """A file a day for six days, and a backup on every second; a window of two days."""
    Repository.objects.update(keep_for=2 * DAY, keep_proven=0)
    files = store_files(archive, timeline, 6)
    for number, segment in enumerate(BinlogSegment.objects.order_by("file_number")):
        segment.created_at = now() - (6 - number) * DAY
        segment.save()
    for age in (5, 3, 1):
        file = f"b.{7 - age:06}"
        backup_at(archive.instance, main, file, 4, at=now() - age * DAY)
    return files


def files_of(repository: Repository) -> list[str]:
    found = Path(repository.path).rglob("*.segment")
    return sorted(path.parent.name[-8:] for path in found)


class TestExpiry:
    def test_what_the_windows_base_has_goes_from_every_repository(
        self, stored: list[bytes], archive: BinlogArchive, main: Repository, copy_site: Repository
    ) -> None:
        assert expire_binlogs(now()) == 6
        kept = ["b.000004", "b.000005", "b.000006"]
        assert files_of(main) == files_of(copy_site) == kept
        assert list(BinlogSegment.objects.values_list("file", flat=True)) == kept
        assert expire_binlogs(now()) == 0
        judge_archive(archive, now())
        assert RecoverableRange.objects.get().oldest_backup.binlog_file == "b.000004"

    def test_nothing_goes_without_a_restorable_backup(
        self, stored: list[bytes], archive: BinlogArchive
    ) -> None:
        BackupCopy.objects.update(fault="missing")
        assert expire_binlogs(now()) == 0
        need = binlog_needs([archive.instance_id], now())[archive.instance_id]
        assert "no restorable backup" in need.reason

    def test_what_a_repository_needs_that_is_missing_now_stays(
        self, stored: list[bytes], archive: BinlogArchive, main: Repository, copy_site: Repository
    ) -> None:
        # All backups are younger than the window; the other repository has the newest alone.
        Repository.objects.update(keep_for=14 * DAY)
        Repository.objects.filter(pk=main.pk).update(fault="not mounted")
        backup_at(archive.instance, copy_site, "b.000006", 4, at=now() - DAY / 2)
        assert expire_binlogs(now()) == 0
        need = binlog_needs([archive.instance_id], now())[archive.instance_id]
        assert need.reason == "repository main cannot be used: not mounted"

    def test_an_exported_file_holds_up_nothing(
        self, stored: list[bytes], archive: BinlogArchive, tmp_path: Path
    ) -> None:
        file = Repository.objects.create(name="carried", path="/media/x.tar", kind="file")
        backup_at(archive.instance, file, "b.000001", 4, at=now() - 6 * DAY)
        assert expire_binlogs(now()) == 6

    def test_nothing_goes_while_a_restore_runs(
        self, stored: list[bytes], archive: BinlogArchive
    ) -> None:
        Job.objects.create(operation=Operation.RESTORE, instance=archive.instance)
        assert expire_binlogs(now()) == 0

    def test_nothing_goes_while_the_instance_is_disabled(
        self, stored: list[bytes], archive: BinlogArchive
    ) -> None:
        Repository.objects.update(keep_least=1)
        archive.instance.enabled = False
        archive.instance.save()
        need = binlog_needs([archive.instance_id], now())[archive.instance_id]
        assert (need.since, need.reason) == (None, "the instance is disabled")
        assert expire_binlogs(now()) == 0

    def test_a_file_that_is_needed_in_part_stays_whole(
        self, stored: list[bytes], archive: BinlogArchive, main: Repository
    ) -> None:
        first = BinlogSegment.objects.get(file="b.000003")
        end = first.end
        BinlogSegment.objects.filter(pk=first.pk).update(end=9, last_of_file=False)
        BinlogSegment.objects.create(
            timeline=first.timeline,
            file=first.file,
            file_number=3,
            start=9,
            end=end,
            joined=True,
            transactions=1,
            created_at=now() - 2 * DAY,
        )
        expire_binlogs(now())
        assert files_of(main)[0] == "b.000003"

    def test_the_file_of_the_base_stays_though_all_of_it_was_stored_before(
        self, stored: list[bytes], archive: BinlogArchive, main: Repository
    ) -> None:
        # The server crashed at the backup's position: the file has nothing behind it.
        Backup.objects.filter(binlog_file="b.000004").update(binlog_position=len(stored[3]))
        before = BinlogSegment.objects.filter(file="b.000004")
        before.update(created_at=now() - 3 * DAY - timedelta(minutes=1))
        expire_binlogs(now())
        assert files_of(main)[0] == "b.000004"
        judge_archive(archive, now())
        assert RecoverableRange.objects.get().oldest_backup.binlog_file == "b.000004"

    def test_nothing_goes_from_between_pieces_that_are_needed(
        self, stored: list[bytes], archive: BinlogArchive, main: Repository
    ) -> None:
        # Registered again from a repository: dated by the source's clock, or by the timeline.
        Backup.objects.update(binlog_file="")
        BinlogSegment.objects.filter(file="b.000005").update(created_at=now() - 30 * DAY)
        expire_binlogs(now())
        assert files_of(main) == ["b.000004", "b.000005", "b.000006"]

    def test_a_backup_whose_base_is_damaged_is_no_base(
        self, stored: list[bytes], archive: BinlogArchive, main: Repository
    ) -> None:
        # The window begins with it; the one of two days before is whole.
        incremental = Backup.objects.get(binlog_file="b.000004")
        full = backup_at(archive.instance, main, "b.000003", 4, at=now() - 4 * DAY)
        BackupAncestor.objects.create(backup=incremental, ancestor=full, position=0)
        BackupCopy.objects.filter(backup=full).update(fault="changed")
        expire_binlogs(now())
        assert files_of(main)[0] == "b.000002"

    def test_a_history_that_ended_before_goes_whatever_its_numbers(
        self, stored: list[bytes], archive: BinlogArchive, main: Repository
    ) -> None:
        BinlogTimeline.objects.update(ended_at=now() - 4 * DAY)
        BinlogSegment.objects.update(created_at=now() - 4 * DAY)
        expire_binlogs(now())
        assert files_of(main) == ["b.000006"]

    def test_the_newest_piece_stays_whatever_its_age(
        self, stored: list[bytes], archive: BinlogArchive, main: Repository
    ) -> None:
        BinlogSegment.objects.update(created_at=now() - 30 * DAY)
        Backup.objects.update(binlog_file="")
        expire_binlogs(now())
        assert files_of(main) == ["b.000006"]

    def test_a_clock_that_jumped_deletes_nothing(self, stored: list[bytes]) -> None:
        TickHeartbeat.objects.create(
            name=TICK, started_at=now() - 30 * DAY, finished_at=now() - 30 * DAY
        )
        with pytest.raises(Refused, match="may have jumped"):
            expire_binlogs(now())

    def test_a_repository_that_is_missing_is_cleared_later(
        self, stored: list[bytes], main: Repository, copy_site: Repository
    ) -> None:
        aside = Path(copy_site.path).with_name("aside")
        Path(copy_site.path).rename(aside)
        assert expire_binlogs(now()) == 3
        assert SegmentCopy.objects.filter(expired_at__isnull=False).count() == 3
        aside.rename(copy_site.path)
        assert expire_binlogs(now()) == 3
        assert BinlogSegment.objects.count() == 3


def test_killed_between_any_two_statements_the_next_run_completes(
    archive: BinlogArchive, timeline: BinlogTimeline, main: Repository, copy_site: Repository
) -> None:
    Repository.objects.update(keep_for=2 * DAY, keep_proven=0)
    backup_at(archive.instance, main, "b.000002", 4, at=now() - DAY)
    for statements in range(200):
        SegmentCopy.objects.all().delete()
        BinlogSegment.objects.all().delete()
        spool(timeline, "b.000001", binlog(1, 2))
        spool(timeline, "b.000002", binlog(3, 4))
        store_ready_pieces(archive, spool(timeline, "b.000003", binlog(5, 5)), now())
        BinlogSegment.objects.filter(file="b.000001").update(created_at=now() - 9 * DAY)
        killer = Killer(statements)
        try:
            with connection.execute_wrapper(killer):
                expire_binlogs(now())
        except Killed:
            connection.close()
        expire_binlogs(now())
        assert files_of(main) == files_of(copy_site) == ["b.000002"], statements
        assert list(BinlogSegment.objects.values_list("file", flat=True)) == ["b.000002"]
        for repository in (main, copy_site):
            for path in Path(repository.path).rglob("*b.000002/*"):
                path.unlink()
        if killer.left:
            return
    pytest.fail("it never came to its end")
