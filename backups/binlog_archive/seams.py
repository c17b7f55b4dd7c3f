"""From which piece on does a server that took over continue the history before it?

A piece is cut exactly there, so that rows alone say it: what comes before the piece is what the
server before it ended with. The pieces in front of it hold what is archived already.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q

from backups.binlogs.events.gtids import GtidPosition, parse_gtids
from backups.binlogs.events.seams import AbsentDomains, is_seam, is_within
from backups.models import BinlogSegment, BinlogTimeline
from backups.models.binlog import TimelineStart

_OTHERS = (
    "the server that took over committed transactions of its own before it had all that was "
    "received: its history is another one"
)


@dataclass(frozen=True, slots=True)
class Seam:
    """Where one history goes on where another ends."""

    # That of the server before.
    before: BinlogTimeline
    # The place in the new server's binlogs; None: not stored yet, or there is none.
    file_number: int | None = None
    position: int | None = None
    # Why there is none, whatever else is stored; blank: there is, or it may still come.
    never: str = ""


def timeline_before(timeline: BinlogTimeline) -> BinlogTimeline | None:
    """Return the history that a failover continues; None: it begins one of its own.

    Of a server that took over and left before anything was stored of it, it is the one before.
    """
    if timeline.start != TimelineStart.FAILOVER:
        return None
    older = Q(began_at__lt=timeline.began_at) | Q(began_at=timeline.began_at, pk__lt=timeline.pk)
    same = BinlogTimeline.objects.filter(older, instance=timeline.instance_id)
    for each in same.select_related("instance").order_by("-began_at", "-pk"):
        if each.segments.exists():
            return each
        if each.start != TimelineStart.FAILOVER:
            return None
    return None


def end_of(timeline: BinlogTimeline) -> str:
    """Return the GTIDs with which the stored pieces of a history end."""
    rows = timeline.segments.order_by("-file_number", "-start")
    return rows.values_list("gtids_after", flat=True).first() or ""


def stored_seam(timeline: BinlogTimeline) -> Seam | None:
    """Return where the pieces of a failover go on; None: it is none, or what was there is gone."""
    before = timeline_before(timeline)
    if before is None:
        return None
    end = end_of(before)
    rows = BinlogSegment.objects.filter(timeline=timeline).order_by("file_number", "start")
    first: str | None = None
    for row in rows.iterator(100):
        if first is not None and not row.joined:
            return None
        first = row.gtids_before if first is None else first
        for place, here in ((row.start, row.gtids_before), (row.end, row.gtids_after)):
            if is_seam(end, first, here) and not _repeats(row, end, here):
                return Seam(before, row.file_number, place)
        if not is_within(end, row.gtids_before):
            # What was in front of it has expired.
            return None
        # Had the server only what was archived, one of its pieces would end there.
        if not is_within(end, row.gtids_after):
            return Seam(before, never=_OTHERS)
    return Seam(before)


def _repeats(row: BinlogSegment, end: str, here: str) -> bool:
    """Whether a piece, or one behind it, begins a domain with what the old server has."""
    absent = AbsentDomains(parse_gtids(end), parse_gtids(here)).ends
    if not absent:
        return False
    newest = _last_numbers(end_of(row.timeline))
    later = Q(file_number__gt=row.file_number) | Q(
        file_number=row.file_number, start__gte=row.start
    )
    rows = BinlogSegment.objects.filter(later, timeline=row.timeline_id)
    for domain in absent.keys() & newest.keys():
        named = Q(gtids_after__startswith=f"{domain}-") | Q(gtids_after__contains=f",{domain}-")
        texts = rows.filter(named).order_by("file_number", "start")
        begun = texts.values_list("gtids_after", flat=True).first() or ""
        if _last_numbers(begun).get(domain, absent[domain] + 1) <= absent[domain]:
            return True
    return False


def _last_numbers(gtids: str) -> dict[int, int]:
    """Return by domain the number of its last transaction."""
    place = parse_gtids(gtids)
    ends = place.ends() if isinstance(place, GtidPosition) else {}
    return {domain: number for domain, (_, number) in ends.items()}
