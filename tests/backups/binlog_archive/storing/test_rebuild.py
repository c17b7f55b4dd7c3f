"""Is the archive known again from a repository alone, and do its keys rotate?"""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.archive.keys import add_key
from backups.binlog_archive.reader import ArchivedBinlogs
from backups.binlog_archive.storing.rebuild import rebuild_segments
from backups.binlog_archive.storing.rotation import check_segment_keys, rewrap_segment_keys
from backups.keys.load import load_keys
from backups.models import (
    BinlogArchive,
    BinlogSegment,
    BinlogTimeline,
    Instance,
    Repository,
    SegmentCopy,
)
from tests.backups.binlog_archive.spooled import HOUR, T0, timeline_of
from tests.backups.binlog_archive.stored import store_files
from tests.commands import run_command

pytestmark = pytest.mark.django_db(transaction=True)

COLUMNS = (
    "file", "file_number", "start", "end", "last_of_file", "joined", "sha256", "transactions",
    "first_commit_at", "last_commit_at", "gtids_before", "gtids_after", "timeline__uuid",
)  # fmt: skip


def rows() -> list[tuple[object, ...]]:
    return list(BinlogSegment.objects.values_list(*COLUMNS))


def forget() -> None:
    """Lose every row of the archive and its instance."""
    for model in (SegmentCopy, BinlogSegment, BinlogTimeline, BinlogArchive, Instance):
        model.objects.all().delete()


class TestRebuild:
    def test_every_row_comes_back(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        files = store_files(archive, timeline, 3)
        before = rows()
        forget()
        assert all(each.added for each in rebuild_segments(main, load_keys()))
        assert rows() == before
        again = BinlogTimeline.objects.get()
        assert (again.uuid, again.ended_at, again.began_at) == (timeline.uuid, None, T0)
        assert not BinlogArchive.objects.get().enabled
        whole = ArchivedBinlogs(again, load_keys()).read("b.000002", 0, len(files[1]))
        assert b"".join(whole) == files[1]
        assert not any(each.added for each in rebuild_segments(main, load_keys()))

    def test_the_pieces_of_several_repositories_join(
        self,
        archive: BinlogArchive,
        timeline: BinlogTimeline,
        main: Repository,
        copy_site: Repository,
    ) -> None:
        store_files(archive, timeline, 3)
        before = rows()
        (lost,) = Path(main.path).rglob("*b.000002/*.json.zst")
        lost.unlink()
        forget()
        list(rebuild_segments(main, load_keys()))
        assert [row[5] for row in rows()] == [False, False]
        list(rebuild_segments(copy_site, load_keys()))
        assert rows() == before

    def test_histories_end_where_the_next_begins(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        store_files(archive, timeline, 1)
        BinlogTimeline.objects.update(ended_at=T0 + HOUR)
        second = timeline_of(archive.instance, start="reset", began_at=T0 + HOUR)
        store_files(archive, second, 1)
        forget()
        list(rebuild_segments(main, load_keys()))
        ends = BinlogTimeline.objects.order_by("began_at").values_list("ended_at", flat=True)
        assert list(ends) == [T0 + HOUR, None]

    def test_what_is_damaged_is_named_and_the_rest_comes_back(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        store_files(archive, timeline, 2)
        (damaged,) = Path(main.path).rglob("*b.000001/*.json.zst")
        damaged.write_bytes(damaged.read_bytes()[:-1])
        forget()
        found = list(rebuild_segments(main, load_keys()))
        assert [bool(each.error) for each in found] == [True, False]
        assert BinlogSegment.objects.count() == 1

    def test_an_unencrypted_piece_in_an_encrypted_repository_is_refused(
        self, archive: BinlogArchive, timeline: BinlogTimeline, copy_site: Repository
    ) -> None:
        store_files(archive, timeline, 1)
        Repository.objects.filter(pk=copy_site.pk).update(encrypted=True)
        copy_site.refresh_from_db()
        forget()
        (found,) = rebuild_segments(copy_site, load_keys())
        assert "is not encrypted" in found.error
        (found,) = rebuild_segments(copy_site, load_keys(), allow_unencrypted=True)
        assert found.added

    def test_the_command_rebuilds_binlogs_too(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        store_files(archive, timeline, 2)
        forget()
        answer = run_command("rebuildcatalog", "main", "--json").json()
        assert answer["binlog_pieces_added"] == 2
        again = run_command("rebuildcatalog", "main")
        assert "2 pieces of binlogs: 0 added, 0 unreadable" in again.stdout


class TestKeys:
    def test_a_rotation_rewraps_every_piece(
        self, archive: BinlogArchive, timeline: BinlogTimeline, key_file: Path, main: Repository
    ) -> None:
        files = store_files(archive, timeline, 2)
        keyring = add_key(key_file)
        found = list(rewrap_segment_keys(keyring))
        assert [(each.changed, each.key_id) for each in found] == [(True, keyring.current.id)] * 2
        key_file.write_text(key_file.read_text().splitlines()[0] + "\n")
        SegmentCopy.objects.exclude(repository=main).delete()
        whole = ArchivedBinlogs(timeline, load_keys()).read("b.000001", 0, len(files[0]))
        assert b"".join(whole) == files[0]
        assert not any(each.changed for each in rewrap_segment_keys(load_keys()))

    def test_a_piece_that_no_key_opens_is_named(
        self, archive: BinlogArchive, timeline: BinlogTimeline, key_file: Path
    ) -> None:
        store_files(archive, timeline, 1)
        assert [each.error for each in check_segment_keys(load_keys())] == [""]
        lines = add_key(key_file)
        key_file.write_text(key_file.read_text().splitlines()[0] + "\n")
        (found,) = check_segment_keys(load_keys())
        assert f"is not in the keyring, which has {lines.current.id}" in found.error

    def test_an_exchanged_manifest_is_not_wrapped_again(
        self, archive: BinlogArchive, timeline: BinlogTimeline, key_file: Path
    ) -> None:
        store_files(archive, timeline, 1)
        SegmentCopy.objects.update(digest="0" * 64)
        (found,) = rewrap_segment_keys(add_key(key_file))
        assert "has changed since it was registered" in found.error
