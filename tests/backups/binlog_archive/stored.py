"""Backups with coordinates, and binlogs that are stored."""

from __future__ import annotations

from datetime import datetime, timedelta

from backups.binlog_archive.storing.store import store_ready_pieces
from backups.models import (
    Backup,
    BackupCopy,
    BinlogArchive,
    BinlogTimeline,
    Instance,
    Repository,
)
from tests.backups.binlog_archive.spooled import MINUTE, T0, binlog, spool


def store_files(
    archive: BinlogArchive, timeline: BinlogTimeline, count: int, *, per_file: int = 3
) -> list[bytes]:
    """Store this many finished files; one more is being received. Return their content."""
    files = []
    for number in range(count):
        first = number * per_file + 1
        files.append(binlog(first, first + per_file - 1))
        spool(timeline, f"b.{number + 1:06}", files[-1])
    last = count * per_file + 1
    present = spool(timeline, f"b.{count + 1:06}", binlog(last, last, ended=False))
    store_ready_pieces(archive, present, T0)
    return files


def backup_at(
    instance: Instance,
    repository: Repository,
    file: str,
    position: int,
    *,
    at: datetime = T0 + MINUTE,
    gtids: str = "",
    label: str = "",
) -> Backup:
    """A stored backup with these coordinates."""
    backup = Backup.objects.create(
        label=label or f"{instance}@{at:%Y%m%dT%H%M%SZ}-F",
        instance=instance,
        kind="full",
        engine="fake",
        binlog_file=file,
        binlog_position=position,
        gtid_executed=gtids,
        started_at=at - timedelta(seconds=1),
        ended_at=at,
    )
    BackupCopy.objects.create(
        backup=backup,
        repository=repository,
        path=f"instances/{instance.uuid}/backups/{backup.label}",
        stored_bytes=1,
        pack_count=1,
    )
    return backup
