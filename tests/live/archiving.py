"""Files of a real server in an archive, as a receiver and its store leave them."""

from __future__ import annotations

from pathlib import Path

from django.utils.timezone import now

from backups.binlog_archive.spool import SpoolPosition, spool_folder
from backups.binlog_archive.storing.store import store_ready_pieces
from backups.binlogs.events.header import clear_in_use
from backups.models import BinlogArchive, BinlogTimeline, Instance, Repository

# Of the first event of a file.
FLAGS = 4 + 17


def archive_files(
    instance: Instance,
    repository: Repository,
    folder: Path,
    *,
    in_spool: int = 0,
) -> BinlogArchive:
    """Archive every binlog in ``folder``; the last ``in_spool`` of them are only received."""
    archive = BinlogArchive.objects.create(
        instance=instance, server_id=4711, token=1, lag_bytes=0, source_asked_at=now()
    )
    archive.repositories.set([repository])
    timeline = BinlogTimeline.objects.create(
        instance=instance, start="first", server_identity="1", server_version="", began_at=now()
    )
    target = spool_folder(timeline)
    target.mkdir(parents=True)
    # Not the indexes that a MariaDB keeps beside them since 11.4.
    files = sorted(each for each in folder.glob("binlog.0*") if each.suffix != ".idx")
    for number, file in enumerate(files):
        content = file.read_bytes()
        (target / file.name).write_bytes(content[:4] + clear_in_use(content[4:]))
        position = SpoolPosition(file.name, len(content))
        if number < len(files) - in_spool:
            store_ready_pieces(archive, position, now(), flush=True)
    archive.received_file, archive.received_position = position
    archive.save(update_fields=["received_file", "received_position"])
    return archive
