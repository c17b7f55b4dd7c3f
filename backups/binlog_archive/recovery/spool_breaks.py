"""Does what was received follow what is stored, or is something missing in the spool between?

A row of a piece is written when a repository takes it. Until then only the files themselves say
whether everything is there.
"""

from __future__ import annotations

from django.conf import settings

from backups.binlog_archive.spool import file_size, spool_files, spool_folder, spool_holder
from backups.binlog_archive.storing.cutting import last_segment
from backups.binlog_archive.storing.targets import SPOOL
from backups.binlogs.segments.names import file_number
from backups.models import BinlogArchive, BinlogSegment, BinlogTimeline


def break_in_spool(archive: BinlogArchive, timeline: BinlogTimeline) -> str:
    """Return why what was received does not follow the last piece; blank where it does.

    Known only on the host of the spool. ``archive``: read before, so that what leaves the spool
    meanwhile has its pieces.
    """
    here = settings.BINLOG_SPOOL.is_dir() and archive.holder in {"", spool_holder()}
    if timeline.ended_at is not None or not here:
        return ""
    return _damaged(archive, timeline) or _missing(archive, timeline)


def _damaged(archive: BinlogArchive, timeline: BinlogTimeline) -> str:
    folder = str(spool_folder(timeline))
    lines = archive.store_fault.splitlines()
    return next((each for each in lines if each.startswith(SPOOL) and folder in each), "")


def _missing(archive: BinlogArchive, timeline: BinlogTimeline) -> str:
    sizes = {file.number: file_size(file.path) for file in spool_files(timeline)}
    last = last_segment(timeline)
    if last is None or not archive.received_file:
        return ""
    received = (file_number(archive.received_file), archive.received_position or 0)
    if received <= (last.file_number, last.end):
        return ""
    # The first that is not there ends it, however many there should be.
    for number in range(last.file_number + last.last_of_file, received[0] + 1):
        if sizes.get(number, 0) < _least(number, last, received):
            base = archive.received_file.rpartition(".")[0]
            return f"{base}.{number:06} is not in the spool as far as it was received"
    return ""


def _least(number: int, last: BinlogSegment, received: tuple[int, int]) -> int:
    """Return how many bytes of a file there must be."""
    stored = last.end if number == last.file_number else 1
    return max(stored, received[1]) if number == received[0] else stored
