"""Is the boundary of a moment the same however it is written, and whatever the clocks did?

The commit times of real binary logs are rewritten: a night in which clocks go back, and a source
whose own clock is set back by an hour.
"""

from __future__ import annotations

import os
import shutil
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from backups.binlog_archive.recovery.from_backup import StartPoint, find_recovery
from backups.binlog_archive.recovery.goals import RecoveryGoal
from backups.binlogs.events.header import CHECKSUM_BYTES, EventType, read_header
from backups.binlogs.moments import parse_moment
from backups.exceptions import BadInput
from backups.models import BinlogArchive, BinlogTimeline
from bench.binlog_promises.home import archived_bank
from bench.binlog_promises.replays import filled
from bench.binlog_promises.round import Round
from tests.live.replaying import Archive

# Clocks in Berlin go back at 01:00 UTC.
BERLIN = ZoneInfo("Europe/Berlin")
FIRST = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
STEP, BACK = timedelta(seconds=20), timedelta(hours=1)
PROCESS_ZONES = ("UTC", "America/New_York", "Asia/Kathmandu")
# In MySQL's GTID event: behind header, flags, uuid, number and the two counters.
MICROS_AT = 19 + 1 + 16 + 8 + 1 + 8 + 8


def clocks(work: Round) -> None:
    """Random moments, each in several zones, in processes of several zones."""
    archived, _ = filled(work.product, work.folder / "bank")
    moments = _moments(len(archived.transactions))
    _rewrite(archived, moments)
    instance, _ = archived_bank(archived, work.folder / "mooring", in_spool=2)
    BinlogTimeline.objects.update(began_at=FIRST - 2 * BACK)
    BinlogArchive.objects.update(source_asked_at=max(moments) + timedelta(days=1))
    start = StartPoint(
        "copy", archived.file, archived.position, archived.gtids, FIRST - BACK, FIRST - BACK
    )
    for number in range(work.count):
        until = moments[work.chance.randrange(len(moments) // 20, len(moments))]
        cut = next((at for at, each in enumerate(moments) if each > until), len(moments))
        with process_zone(PROCESS_ZONES[number % len(PROCESS_ZONES)]):
            for text in _spellings(work, until):
                found = find_recovery(instance, start, RecoveryGoal(until=parse_moment(text))).stop
                work.expect(
                    found.transactions == cut, f"{text}: {found.transactions}, not {cut} of them"
                )
        work.tried += 1


def _moments(count: int) -> list[datetime]:
    """Return when each transaction was committed; in the middle the clock is set back."""
    return [FIRST + STEP * at - (BACK if at > count // 2 else timedelta(0)) for at in range(count)]


def _spellings(work: Round, moment: datetime) -> Iterator[str]:
    """Yield the same moment in several zones; where Berlin shows it twice, it must be refused."""
    yield f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    yield f"{moment:%Y-%m-%dT%H:%M:%S}Z"
    yield moment.astimezone(BERLIN).isoformat()
    yield moment.astimezone(ZoneInfo("America/New_York")).isoformat()
    there = moment.astimezone(BERLIN)
    text = f"{there:%Y-%m-%d %H:%M:%S} Europe/Berlin"
    twice = there.replace(fold=0).utcoffset() != there.replace(fold=1).utcoffset()
    if not twice:
        yield text
        return
    try:
        parse_moment(text)
    except BadInput:
        return
    work.expect(False, f"{text} is ambiguous and was not refused")


@contextmanager
def process_zone(name: str) -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()


def _rewrite(archived: Archive, moments: list[datetime]) -> None:
    """Give the transactions, in their order, these commit times; those before them an earlier."""
    times = {
        (file, each.start): moment
        for (file, each), moment in zip(archived.transactions, moments, strict=True)
    }
    for file in archived.binlogs.files:
        path = archived.binlogs.folder / file
        content = bytearray(path.read_bytes())
        for each in archived.binlogs.transactions(file):
            moment = times.get((file, each.start), FIRST - 2 * BACK)
            _stamp(content, each.start, each.end, moment)
        unfinished = path.with_suffix(".new")
        unfinished.write_bytes(content)
        shutil.copymode(path, unfinished)
        unfinished.replace(path)


def _stamp(content: bytearray, at: int, end: int, moment: datetime) -> None:
    """Write a moment into the events of one transaction."""
    while at < end:
        header = read_header(content, at)
        event_end = at + header.size
        if header.type != EventType.FORMAT_DESCRIPTION:
            struct.pack_into("<I", content, at, int(moment.timestamp()))
            if header.type == EventType.GTID:
                micros = int(moment.timestamp()) * 1_000_000
                content[at + MICROS_AT : at + MICROS_AT + 7] = micros.to_bytes(7, "little")
            body = memoryview(content)[at : event_end - CHECKSUM_BYTES]
            checksum = zlib.crc32(body)
            body.release()
            struct.pack_into("<I", content, event_end - CHECKSUM_BYTES, checksum)
        at = event_end
