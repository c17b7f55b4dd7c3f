"""Where are binlogs on this host between their arrival and their place in the repositories?"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from backups.binlogs.segments.names import file_number
from backups.exceptions import BinlogDamaged
from backups.models import BinlogTimeline


class SpoolPosition(NamedTuple):
    """The file that is being received, and up to where it is durable and ends a transaction."""

    file: str
    position: int


class SpoolFile(NamedTuple):
    """A file that is in the spool."""

    number: int
    path: Path

    @property
    def name(self) -> str:
        return self.path.name


class DiskUsage(NamedTuple):
    """Bytes of a disk."""

    total: int
    free: int


def spool_folder(timeline: BinlogTimeline) -> Path:
    """Folder of a timeline's files, with the names that they have at the source."""
    folder: Path = settings.BINLOG_SPOOL
    return folder / str(timeline.instance.uuid) / str(timeline.uuid)


def spool_file(timeline: BinlogTimeline, file: str) -> Path:
    """Return where a file of a timeline is received; BinlogDamaged if no binlog has that name."""
    file_number(file)
    return spool_folder(timeline) / file


def spool_files(timeline: BinlogTimeline) -> list[SpoolFile]:
    """Return what is in the spool of a timeline, in the order of the files."""
    return sorted(_binlogs_in(spool_folder(timeline)))


def file_size(path: Path) -> int:
    """Return the size of a file; 0 where it was stored everywhere and deleted meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def spool_holder() -> str:
    """Return how the process that receives into this spool names itself on its archives.

    The same after a restart: what it had before is its own.
    """
    return f"{socket.gethostname()[:40]}:{settings.BINLOG_SPOOL}"[:120]


def spool_space() -> DiskUsage | None:
    """Return how full the spool's disk is; None where nothing was received yet."""
    try:
        usage = shutil.disk_usage(settings.BINLOG_SPOOL)
    except FileNotFoundError:
        return None
    return DiskUsage(usage.total, usage.free)


def _binlogs_in(folder: Path) -> Iterator[SpoolFile]:
    try:
        names = [entry.name for entry in folder.iterdir()]
    except FileNotFoundError:
        return
    for name in names:
        try:
            yield SpoolFile(file_number(name), folder / name)
        except BinlogDamaged:
            # Whatever else a receiver keeps there.
            continue
