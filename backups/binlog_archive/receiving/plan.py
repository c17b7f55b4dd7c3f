"""From where does a receiver go on: which timeline, which file, which place in it?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from backups.binlog_archive.receiving.source import SourceFacts, fetch_gtids_before
from backups.binlog_archive.receiving.timelines import begin_timeline, present_timeline
from backups.binlog_archive.seams import end_of
from backups.binlog_archive.spool import spool_files, spool_folder
from backups.binlogs.dump.session import DumpStart
from backups.binlogs.dump.spool import StoredPiece
from backups.binlogs.dump.start import Break, Held, Start, decide_start, joined_file
from backups.binlogs.dump.tail import FileTail, read_tail
from backups.binlogs.events.gtids import Gtids, parse_gtids
from backups.binlogs.events.header import FIRST_OFFSET
from backups.binlogs.events.seams import lacking
from backups.binlogs.segments.cut import cut_piece
from backups.exceptions import MooringError
from backups.models.binlog import BinlogArchive, BinlogSegment, BinlogTimeline, TimelineStart
from backups.models.catalog import Backup
from backups.models.instance import Instance
from backups.programs.compatibility import MYSQL

# No file is longer.
_WHOLE_FILE = 1 << 62
_GTIDS_SHOWN = 120


@dataclass(frozen=True, slots=True)
class ReceivePlan:
    """Where one connection's stream begins and into which folder it is written."""

    folder: Path
    at: DumpStart
    tail: FileTail | None
    # Pieces of the file that are stored and no more in the spool.
    stored: Sequence[StoredPiece]
    # Set where another history begins.
    broken: Break | None
    reason: str


class NotAppliedYetError(MooringError):
    """Another server answers that does not have all that was received, and may soon."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the last connection found out, for the next one."""

    # Of the newest file, unless it has to be read again.
    tail: FileTail | None = None
    # The source has another history, or has lost its newest transactions.
    broken: Break | None = None
    reason: str = ""
    # Compare the newest file from its beginning.
    whole: bool = False
    # Another server may still be applying what it does not have yet: it is asked again.
    patient: bool = False


def make_plan(
    archive: BinlogArchive,
    token: int,
    facts: SourceFacts,
    connection: Connection[DictCursor],
    remembered: Remembered,
) -> ReceivePlan:
    """Decide where to go on; a new timeline is begun where the history is another one."""
    timeline = present_timeline(archive.instance)
    tail = _tail(timeline, remembered)
    held = _held(timeline, tail)
    start = decide_start(
        held, facts.identity, facts.flavour, facts.files, _first_file(archive, facts)
    )
    if remembered.broken is not None and held is not None and start.broken is None:
        names = [each.name for each in facts.files]
        behind = remembered.broken is Break.BEHIND and held.file in names
        file = held.file if behind else names[0]
        start = Start(DumpStart(file, FIRST_OFFSET), remembered.broken, remembered.reason)
    if timeline is not None and held is None and timeline.start != TimelineStart.FIRST:
        return _begin_again(archive, token, timeline, facts, connection)
    if remembered.patient and start.broken is Break.SERVER:
        _wait_for_all(archive, facts)
    if timeline is None or start.broken is not None:
        return _begin(archive, token, facts, connection, start, tail)
    if tail is not None and tail.path.name != start.at.file:
        tail = None
    if remembered.whole or tail is None:
        start = replace(start, at=DumpStart(start.at.file, FIRST_OFFSET))
    stored = _stored(timeline, start.at.file) if tail is None else []
    return ReceivePlan(spool_folder(timeline), start.at, tail, stored, None, "")


def _begin(
    archive: BinlogArchive,
    token: int,
    facts: SourceFacts,
    connection: Connection[DictCursor],
    start: Start,
    tail: FileTail | None,
) -> ReceivePlan:
    if start.broken is Break.SERVER:
        start = _take_over(archive, facts, connection, start)
    timeline = begin_timeline(archive, token, facts, start)
    if tail is not None:
        _cut_off(tail)
    folder = spool_folder(timeline)
    return ReceivePlan(folder, start.at, None, [], start.broken, start.reason)


def _cut_off(tail: FileTail) -> None:
    """Remove what a crash left behind the last whole event: nothing more is added to the file."""
    if tail.end > FIRST_OFFSET:
        os.truncate(tail.path, tail.end)
    else:
        tail.path.unlink(missing_ok=True)


def _begin_again(
    archive: BinlogArchive,
    token: int,
    timeline: BinlogTimeline,
    facts: SourceFacts,
    connection: Connection[DictCursor],
) -> ReceivePlan:
    """Begin a history of which nothing has arrived yet where it was to begin."""
    reason = f"another server answers: {facts.identity}"
    other = Start(DumpStart(facts.files[0].name, FIRST_OFFSET), Break.SERVER, reason)
    if timeline.server_identity != facts.identity:
        return _begin(archive, token, facts, connection, other, None)
    at = other.at
    if timeline.start == TimelineStart.FAILOVER:
        again = _take_over(archive, facts, connection, other)
        if again.broken is not Break.FAILOVER:
            return _begin(archive, token, facts, connection, other, None)
        at = again.at
    return ReceivePlan(spool_folder(timeline), at, None, [], None, "")


def _wait_for_all(archive: BinlogArchive, facts: SourceFacts) -> None:
    """Raise NotAppliedYetError where a server lacks something that was received."""
    held = gtids_held(archive.instance)
    if held and (missing := lacking(held, facts.executed)):
        raise NotAppliedYetError(
            f"another server answers: {facts.identity}; it does not have "
            f"{missing[:_GTIDS_SHOWN]} yet, which was received",
            hint="Its address should move once it has applied everything.",
        )


def _take_over(
    archive: BinlogArchive, facts: SourceFacts, connection: Connection[DictCursor], start: Start
) -> Start:
    """Return where another server's history goes on, if it has all that is here; else why not."""
    held = gtids_held(archive.instance)
    if not held:
        return start
    if missing := lacking(held, facts.executed):
        why = f"it does not have {missing[:_GTIDS_SHOWN]}, which was received"
    elif facts.flavour == MYSQL and not facts.logs_replicated:
        why = "what it replicated is not in its binary log"
    elif file := _join(held, facts, connection):
        return Start(DumpStart(file, FIRST_OFFSET), Break.FAILOVER, f"failover to {facts.identity}")
    else:
        why = "its files do not go on from what was received"
    return replace(start, reason=f"{start.reason}; {why}")


def _join(held: Gtids, facts: SourceFacts, connection: Connection[DictCursor]) -> str | None:
    """Return from which file on another server's history joins."""
    before: list[tuple[str, Gtids]] = []
    for each in reversed(facts.files):
        before.append((each.name, fetch_gtids_before(connection, each.name)))
        if file := joined_file(held, facts.executed, before[-1:]):
            return file
    return None


def gtids_held(instance: Instance) -> Gtids:
    """Return the transactions up to the end of what was received; empty: not known."""
    for timeline in instance.binlog_timelines.order_by("-began_at", "-pk"):
        files = spool_files(timeline)
        for file in reversed(files):
            if gtids := _gtids_of(read_tail(file.path)):
                return gtids
        if (end := end_of(timeline)) or files or timeline.start != TimelineStart.FAILOVER:
            return parse_gtids(end)
    return parse_gtids("")


def _gtids_of(tail: FileTail) -> Gtids:
    """Return the transactions up to the end of a file."""
    if tail.end <= FIRST_OFFSET:
        return parse_gtids("")
    piece = cut_piece(tail.path, 0, tail.end, complete=True, gtids="", most_bytes=_WHOLE_FILE)
    return parse_gtids(piece.gtids_after if piece else "")


def _tail(timeline: BinlogTimeline | None, remembered: Remembered) -> FileTail | None:
    """Return the end of the newest file in the spool."""
    if timeline is None:
        return None
    files = spool_files(timeline)
    if not files:
        return None
    known, newest = remembered.tail, files[-1].path
    if known and known.path == newest and newest.stat().st_size == known.end:
        return known
    return read_tail(newest)


def _held(timeline: BinlogTimeline | None, tail: FileTail | None) -> Held | None:
    """Return what a timeline has last: by the spool or, where that is empty, by its segments."""
    if timeline is None:
        return None
    if tail is not None:
        return Held(timeline.server_identity, tail.path.name, tail.last_transaction, tail.complete)
    last = BinlogSegment.objects.filter(timeline=timeline).order_by("-file_number", "-start")
    if (segment := last.first()) is None:
        return None
    return Held(timeline.server_identity, segment.file, FIRST_OFFSET, segment.last_of_file)


def _stored(timeline: BinlogTimeline, file: str) -> list[StoredPiece]:
    pieces = BinlogSegment.objects.filter(timeline=timeline, file=file).order_by("start")
    return [StoredPiece(*each) for each in pieces.values_list("start", "end", "sha256")]


def _first_file(archive: BinlogArchive, facts: SourceFacts) -> str:
    """Return with which file a new archive begins: where the newest backup's coordinates are."""
    if facts.identity != archive.instance.server_identity:
        return ""
    backups = Backup.objects.filter(instance=archive.instance).exclude(binlog_file="")
    newest = backups.order_by("-pk").values_list("binlog_file", flat=True).first()
    return str(newest or "")
