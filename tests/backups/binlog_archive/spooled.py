"""An instance with a binlog archive, and files in its spool as a receiver leaves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings

from backups.binlog_archive.spool import SpoolPosition, spool_folder
from backups.binlogs.events.gtid_lists import encode_set
from backups.binlogs.events.gtids import GtidSet
from backups.binlogs.events.header import EventType
from backups.models import BinlogArchive, BinlogTimeline, Instance, Repository
from tests.backups.binlogs.made import SOURCE, event, file_of, mysql_gtid, query, rotate, xid

# When the first transaction was committed.
T0 = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def archive_of(instance: Instance, *repositories: Repository) -> BinlogArchive:
    archive = BinlogArchive.objects.create(instance=instance, server_id=4711, token=1)
    archive.repositories.set(repositories)
    return archive


def timeline_of(instance: Instance, **columns: object) -> BinlogTimeline:
    fields: dict[str, object] = {
        "start": "first",
        "server_identity": str(SOURCE),
        "server_version": "9.7.4",
        "began_at": T0,
    }
    return BinlogTimeline.objects.create(instance=instance, **fields | columns)


def transaction(number: int, *, at: datetime | None = None, filler: int = 0) -> list[bytes]:
    """One of MySQL's transactions, a second after the one before it."""
    moment = at or T0 + number * SECOND
    micros = (moment - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1)
    rows = [event(200, bytes(filler))] if filler else []
    return [mysql_gtid(number, micros), query(b"BEGIN"), *rows, xid()]


def binlog(
    first: int, last: int, *, ended: bool = True, filler: int = 0, **keywords: datetime
) -> bytes:
    """A file with the transactions of these numbers; ``ended`` as by a rotation."""
    before = GtidSet.parse(f"{SOURCE}:1-{first - 1}") if first > 1 else GtidSet()
    events = [event(EventType.PREVIOUS_GTIDS, encode_set(before))]
    for number in range(first, last + 1):
        events += transaction(number, filler=filler, **keywords)
    return file_of(*events, *([rotate()] if ended else []))


def spool(timeline: BinlogTimeline, file: str, content: bytes) -> SpoolPosition:
    """Put a file where a receiver puts it; return the position at its end."""
    folder = spool_folder(timeline)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(content)
    return SpoolPosition(file, len(content))


def spooled() -> list[str]:
    """The files in the spool."""
    top: Path = settings.BINLOG_SPOOL
    return sorted(path.name for path in top.rglob("*") if path.is_file())


def gtids(first: int, last: int) -> str:
    return f"{SOURCE}:{first}-{last}"
