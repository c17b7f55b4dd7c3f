"""Which pieces does a file in the spool have, as rows? The cut is a row before it is an object.

A cut that is on record is the same after a restart, in every repository.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction

from backups.archive.keys import Keyring
from backups.binlog_archive.seams import end_of, timeline_before
from backups.binlog_archive.spool import SpoolFile
from backups.binlogs.events.gtids import Gtids, parse_gtids, sets_join
from backups.binlogs.events.seams import AbsentDomains, is_within
from backups.binlogs.segments.cut import CutPiece, cut_piece
from backups.binlogs.segments.facts import SegmentFacts, SourceInstance, SourceTimeline
from backups.binlogs.segments.manifest import read_segment
from backups.binlogs.segments.names import SegmentPlace
from backups.exceptions import ArchiveError, BinlogDamaged, LeaseLost, MooringError
from backups.models import BinlogArchive, BinlogSegment, BinlogTimeline
from backups.repositories.base import ObjectStore

# A piece is cut at the transaction that reaches one of these.
PIECE_BYTES = 64 * 1024**2
PIECE_AGE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Cutting:
    """What cutting needs to know."""

    archive: BinlogArchive
    timeline: BinlogTimeline
    now: datetime
    # Cut what there is, however little.
    flush: bool = False
    piece_bytes: int = PIECE_BYTES


def next_segment(
    cutting: Cutting,
    file: SpoolFile,
    boundary: int,
    *,
    complete: bool,
    stores: Collection[ObjectStore],
    keyring: Keyring | None,
) -> BinlogSegment | None:
    """Write the row of the file's next piece; None if there is none, or it may still grow.

    ``complete``: nothing more is added to the file, ``boundary`` is its length. ``stores`` are
    searched for the piece: after the loss of rows it may be there, with another cut.
    """
    last = last_segment(cutting.timeline)
    if last is not None and last.file_number > file.number:
        return None
    same = last is not None and last.file == file.name
    start = last.end if last is not None and same else 0
    if start >= boundary or not (
        complete or cutting.flush or _due(cutting, last, boundary - start)
    ):
        return None
    before = last.gtids_after if last is not None and same else ""
    piece = _piece(cutting, file, start, boundary, before, complete, stores, keyring)
    if piece is None or not (complete or piece.transactions):
        return None
    at_end = complete and piece.end == boundary
    return _write_row(cutting, file, piece, last, last_of_file=at_end)


def note_complete(file: SpoolFile, last: BinlogSegment | None, size: int) -> None:
    """Record that a file ends where its last piece does: the source crashed, or was cut there."""
    if last is not None and last.file == file.name and last.end == size and not last.last_of_file:
        BinlogSegment.objects.filter(pk=last.pk).update(last_of_file=True)


def last_segment(timeline: BinlogTimeline) -> BinlogSegment | None:
    """Return the newest piece of a timeline."""
    return timeline.segments.order_by("-file_number", "-start").first()


def facts_of(segment: BinlogSegment) -> SegmentFacts:
    """Return what the manifest of a segment says, from its row."""
    timeline = segment.timeline
    instance = timeline.instance
    return SegmentFacts(
        SourceInstance(
            instance.uuid,
            instance.name,
            instance.host,
            instance.port,
            instance.flavour,
            instance.engine,
        ),
        SourceTimeline(
            timeline.uuid,
            timeline.start,
            timeline.server_identity,
            timeline.server_version,
            timeline.began_at,
        ),
        segment.file,
        segment.start,
        segment.end,
        segment.last_of_file,
        segment.sha256,
        segment.transactions,
        segment.first_commit_at,
        segment.last_commit_at,
        segment.gtids_before,
        segment.gtids_after,
    )


def joins(last: BinlogSegment | None, file_number: int, start: int, gtids_before: str) -> bool:
    """Whether a piece begins where the last one ends."""
    if last is None:
        return False
    if last.file_number == file_number:
        return last.end == start
    follows = start == 0 and file_number == last.file_number + 1
    return follows and sets_join(last.gtids_after, gtids_before, ended=last.last_of_file)


def _due(cutting: Cutting, last: BinlogSegment | None, waiting_bytes: int) -> bool:
    since = last.created_at if last is not None else cutting.timeline.began_at
    # However far away: a clock was set.
    return waiting_bytes >= cutting.piece_bytes or abs(cutting.now - since) >= PIECE_AGE


def _piece(
    cutting: Cutting,
    file: SpoolFile,
    start: int,
    boundary: int,
    gtids: str,
    complete: bool,
    stores: Collection[ObjectStore],
    keyring: Keyring | None,
) -> CutPiece | None:
    place = SegmentPlace(cutting.timeline.instance.uuid, cutting.timeline.uuid, file.name, start)
    for store in stores:
        stored = _stored_facts(store, place, keyring)
        if stored is not None and start < stored.end <= boundary:
            found = _same_cut(file, stored, gtids, complete=complete and stored.end == boundary)
            if found is not None:
                return found
    return cut_piece(
        file.path,
        start,
        boundary,
        complete=complete,
        gtids=gtids,
        most_bytes=cutting.piece_bytes,
        seam=_seam(cutting.timeline),
    )


def _seam(timeline: BinlogTimeline) -> Gtids | None:
    """Return what the server before this one ended with: a piece ends where this one has that.

    None: it follows no other, or its pieces are beyond that and no domain is missing in them.
    """
    before = timeline_before(timeline)
    if before is None:
        return None
    end, stored = end_of(before), end_of(timeline)
    seam = parse_gtids(end)
    return seam if is_within(end, stored) or AbsentDomains(seam, parse_gtids(stored)) else None


def _stored_facts(
    store: ObjectStore, place: SegmentPlace, keyring: Keyring | None
) -> SegmentFacts | None:
    """Return what a repository says of a piece although no row does."""
    try:
        if not store.exists(place.manifest_name):
            return None
        return read_segment(store, place, keyring)[0].facts
    except MooringError:
        # It is reported when the piece is stored there.
        return None


def _same_cut(
    file: SpoolFile, stored: SegmentFacts, gtids: str, *, complete: bool
) -> CutPiece | None:
    """Make the cut that a repository has; None if the spool has other bytes.

    Only where it ends is taken from there: everything else is read from the bytes themselves.
    """
    try:
        found = cut_piece(
            file.path,
            stored.start,
            stored.end,
            complete=complete,
            gtids=gtids,
            most_bytes=stored.end - stored.start,
        )
    except BinlogDamaged:
        return None
    same = found is not None and (found.end, found.sha256) == (stored.end, stored.sha256)
    return found if same else None


@transaction.atomic
def _write_row(
    cutting: Cutting,
    file: SpoolFile,
    piece: CutPiece,
    last: BinlogSegment | None,
    *,
    last_of_file: bool,
) -> BinlogSegment:
    check_lease(cutting.archive)
    return BinlogSegment.objects.create(
        timeline=cutting.timeline,
        file=file.name,
        file_number=file.number,
        start=piece.start,
        end=piece.end,
        last_of_file=last_of_file,
        joined=joins(last, file.number, piece.start, piece.gtids_before),
        sha256=piece.sha256,
        transactions=piece.transactions,
        first_commit_at=_moment(piece.first_commit),
        last_commit_at=_moment(piece.last_commit),
        gtids_before=piece.gtids_before,
        gtids_after=piece.gtids_after,
        created_at=cutting.now,
    )


def check_lease(archive: BinlogArchive) -> None:
    """Raise LeaseLost if another process receives and stores this archive by now."""
    rows = BinlogArchive.objects.filter(pk=archive.pk)
    if rows.values_list("token", flat=True).first() != archive.token:
        raise LeaseLost(f"another process has taken over the {archive}")


def _moment(micros: int | None) -> datetime | None:
    if micros is None:
        return None
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)
    except OverflowError:
        raise ArchiveError(f"a commit time of {micros} microseconds is no date") from None
