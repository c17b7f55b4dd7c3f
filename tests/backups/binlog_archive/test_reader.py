"""Is any range of archived binlogs read, from whichever copy is whole?"""

from __future__ import annotations

from pathlib import Path

import pytest

from backups.binlog_archive.reader import ArchivedBinlogs
from backups.binlog_archive.spool import spool_file
from backups.binlog_archive.storing.store import store_ready_pieces
from backups.exceptions import MooringError, Refused
from backups.keys.load import load_keys
from backups.models import (
    BinlogArchive,
    BinlogTimeline,
    Repository,
    SegmentCopy,
)
from tests.backups.binlog_archive.spooled import (
    T0,
    binlog,
    spool,
)

pytestmark = pytest.mark.django_db(transaction=True)


def read_all(timeline: BinlogTimeline, file: str, size: int) -> bytes:
    return b"".join(ArchivedBinlogs(timeline, load_keys()).read(file, 0, size))


class TestReading:
    def test_a_damaged_copy_is_left_for_a_sound_one(
        self, archive: BinlogArchive, timeline: BinlogTimeline, main: Repository
    ) -> None:
        content = binlog(1, 3)
        spool(timeline, "b.000001", content)
        store_ready_pieces(archive, spool(timeline, "b.000002", binlog(4, 4)), T0)
        path = Path(main.path) / SegmentCopy.objects.get(repository=main).path
        damaged = bytearray(path.read_bytes())
        damaged[100] ^= 1
        path.write_bytes(damaged)
        assert read_all(timeline, "b.000001", len(content)) == content
        Path(path).with_suffix(".json.zst").unlink()
        assert read_all(timeline, "b.000001", len(content)) == content

    def test_damage_in_every_copy_is_an_error(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        content = binlog(1, 3)
        spool(timeline, "b.000001", content)
        store_ready_pieces(archive, spool(timeline, "b.000002", binlog(4, 4)), T0)
        for copy in SegmentCopy.objects.all():
            (Path(copy.repository.path) / copy.path).unlink()
        with pytest.raises(MooringError, match="No such file"):
            read_all(timeline, "b.000001", len(content))

    def test_what_is_nowhere_is_refused(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        with pytest.raises(Refused, match=r"b\.000001 from 0 to 9 is in no repository"):
            read_all(timeline, "b.000001", 9)

    def test_the_list_has_one_entry_per_stretch(
        self, archive: BinlogArchive, timeline: BinlogTimeline
    ) -> None:
        content = binlog(1, 3)
        spool(timeline, "b.000001", content)
        present = spool(timeline, "b.000002", binlog(4, 5, ended=False))
        store_ready_pieces(archive, present, T0)
        BinlogArchive.objects.update(received_file=present.file, received_position=present.position)
        files = ArchivedBinlogs(timeline, load_keys()).files()
        assert [(each.file, each.start, each.end, each.complete) for each in files] == [
            ("b.000001", 0, len(content), True),
            ("b.000002", 0, present.position, False),
        ]
        SegmentCopy.objects.update(fault="missing")
        assert [each.file for each in ArchivedBinlogs(timeline, None).files()] == ["b.000002"]
        assert spool_file(timeline, "b.000002").exists()
