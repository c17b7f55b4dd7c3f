"""Which rows say from when to when each instance is recoverable? A tick keeps them current.

Pages, rules and metrics read the rows: a constant number of queries for a fleet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from backups.archive.keys import Keyring
from backups.binlog_archive.reader import missing_keys, openable_copies
from backups.binlog_archive.recovery.ranges import (
    BackupPoint,
    PieceFacts,
    Place,
    RangeFacts,
    TimelineFacts,
    find_ranges,
    find_stretches,
    gtids_join,
)
from backups.binlog_archive.recovery.spool_breaks import break_in_spool
from backups.binlog_archive.seams import Seam, stored_seam, timeline_before
from backups.binlog_archive.spool import file_size, spool_files
from backups.catalog.evidence import without_faults
from backups.health.usable import lasting_copies, whole_copies
from backups.keys.load import known_keys
from backups.models import (
    Backup,
    BinlogArchive,
    BinlogGap,
    BinlogSegment,
    BinlogTimeline,
    Instance,
    RecoverableRange,
)
from backups.models.binlog import TimelineStart

# Pieces come and go all the time; what has changed is seen after this long at most.
# Ticks are a minute apart, and one may come a moment early.
EARLY = timedelta(seconds=10)
EVERY = timedelta(minutes=5) - EARLY
# Sooner where no moment is recoverable: the first piece may be stored by now.
EVERY_WITHOUT = timedelta(minutes=1) - EARLY
# In one tick.
MOST = 50


def judge_due(now: datetime) -> int:
    """Compute the ranges of the instances that are due; return how many."""
    due = Q(judged_at=None) | Q(judged_at__lte=now - EVERY) | Q(judged_at__gt=now)
    due |= Q(judged_at__lte=now - EVERY_WITHOUT) & ~Q(not_recoverable="")
    newer = Backup.objects.filter(instance=OuterRef("instance"), ended_at__gt=OuterRef("judged_at"))
    archives = BinlogArchive.objects.filter(due | Exists(newer)).order_by("judged_at", "pk")
    chosen = list(archives.select_related("instance")[:MOST])
    for archive in chosen:
        judge_archive(archive, now)
    return len(chosen)


def judge_archive(archive: BinlogArchive, now: datetime) -> None:
    """Compute the ranges of one instance and write its rows."""
    _note_broken_seams(archive.instance)
    ranges = ranges_of(archive.instance)
    rows = [_row(archive.instance, span, now) for span in ranges]
    fault = "" if any(span.open for span in ranges) else _why_not(archive, ranges)
    with transaction.atomic():
        RecoverableRange.objects.filter(instance=archive.instance).delete()
        RecoverableRange.objects.bulk_create(rows)
        BinlogArchive.objects.filter(pk=archive.pk).update(
            judged_at=now, not_recoverable=fault[:300]
        )


def ranges_of(instance: Instance) -> list[RangeFacts]:
    """Compute from when to when an instance is recoverable, the oldest history first."""
    # Those that were registered again from a repository were so in any order.
    ordered = instance.binlog_timelines.select_related("instance").order_by("began_at", "pk")
    timelines = list(ordered)
    archive = BinlogArchive.objects.filter(instance=instance).first()
    facts = [_facts_of(archive, each) for each in timelines]
    stretches = list(find_stretches(_pieces(timelines, known_keys())))
    return find_ranges(stretches, facts, _backups(instance), _joins)


def _note_broken_seams(instance: Instance) -> None:
    """Record a gap where a server that took over turns out to have another history."""
    for timeline in instance.binlog_timelines.filter(start=TimelineStart.FAILOVER):
        seam = stored_seam(timeline)
        if seam is not None and seam.never:
            _break(timeline, seam)


@transaction.atomic
def _break(timeline: BinlogTimeline, seam: Seam) -> None:
    row = BinlogTimeline.objects.filter(pk=timeline.pk, start=TimelineStart.FAILOVER)
    if not row.update(start=TimelineStart.SERVER):
        return
    last = seam.before.segments.order_by("-file_number", "-start").first()
    first = timeline.segments.order_by("file_number", "start").first()
    BinlogGap.objects.create(
        instance_id=timeline.instance_id,
        after_file=last.file if last else "",
        after_position=last.end if last else None,
        after_commit_at=last.last_commit_at if last else None,
        before_file=first.file if first else "",
        before_position=first.start if first else None,
        reason=seam.never[:300],
    )


def _facts_of(archive: BinlogArchive | None, timeline: BinlogTimeline) -> TimelineFacts:
    seam = stored_seam(timeline)
    place = before = None
    if seam is not None and seam.file_number is not None and seam.position is not None:
        place, before = Place(seam.file_number, seam.position), seam.before.pk
    return TimelineFacts(
        timeline.pk,
        TimelineStart(timeline.start).label,
        timeline.names_again,
        timeline.ended_at,
        _why_broken(archive, timeline) if archive is not None else "",
        place,
        before,
    )


def _why_broken(archive: BinlogArchive, timeline: BinlogTimeline) -> str:
    """Return why nothing that comes after its last piece goes on with a timeline, or blank."""
    confirmed = timeline.instance.server_identity
    known, before = {"", timeline.server_identity}, timeline_before(timeline)
    while before is not None:
        # A server with all that was received has the same data, before a person says so.
        known.add(before.server_identity)
        before = timeline_before(before)
    if timeline.ended_at is None and confirmed not in known:
        return "the instance is another server than the one these binlogs are of"
    return break_in_spool(archive, timeline)


def recoverable_to(archive: BinlogArchive, span: RecoverableRange) -> datetime:
    """Return the latest moment that an instance can be recovered to."""
    if not span.open:
        return span.to_at
    received = max(filter(None, (span.to_at, archive.last_commit_at)))
    # An idle source has no transaction that is not here.
    if archive.lag_bytes == 0 and archive.source_asked_at is not None:
        return max(received, archive.source_asked_at)
    return received


def _pieces(timelines: Iterable[BinlogTimeline], keyring: Keyring | None) -> Iterator[PieceFacts]:
    for timeline in timelines:
        sizes = {file.number: file_size(file.path) for file in spool_files(timeline)}
        rows = timeline.segments.order_by("file_number", "start").annotate(
            sound=Exists(openable_copies(keyring).filter(segment=OuterRef("pk")))
        )
        columns = (
            "file", "file_number", "start", "end", "joined", "last_commit_at",
            "sound", "created_at",
        )  # fmt: skip
        for row in rows.values_list(*columns).iterator(chunk_size=2000):
            file, number, start, end, joined, last_commit_at, sound, created_at = row
            there = sound or sizes.get(number, 0) >= end
            yield PieceFacts(
                timeline.pk, file, number, start, end, joined, last_commit_at, there, created_at
            )


def _backups(instance: Instance) -> list[BackupPoint]:
    """Return the backups that can be restored and are not marked for deletion, the oldest first."""
    good = without_faults(whole_copies(lasting_copies())).filter(backup=OuterRef("pk"))
    rows = Backup.objects.filter(Exists(good), instance=instance).order_by("ended_at", "pk")
    columns = ("pk", "started_at", "ended_at", "binlog_file", "binlog_position", "gtid_executed")
    return [BackupPoint(*row) for row in rows.values_list(*columns)]


def _joins(timeline: int, backup: BackupPoint) -> bool:
    if not backup.file:
        # By its times: see ``find_ranges``.
        return True
    place = backup.place
    if place is None:
        return False
    at = BinlogSegment.objects.filter(
        timeline=timeline,
        file_number=place.file_number,
        start__lte=place.position,
        end__gte=place.position,
    )
    sets = at.values_list("gtids_before", "gtids_after").order_by("start")
    return any(gtids_join(backup.gtids, before, after) for before, after in sets)


def _row(instance: Instance, span: RangeFacts, now: datetime) -> RecoverableRange:
    return RecoverableRange(
        instance=instance,
        timeline_id=span.timeline,
        oldest_backup_id=span.oldest.pk,
        newest_backup_id=span.newest.pk,
        from_at=span.oldest.ended_at,
        to_at=span.to_at,
        to_file=span.to_file,
        to_position=span.to_position,
        open=span.open,
        ends_because=span.ends_because[:300],
        judged_at=now,
    )


def _why_not(archive: BinlogArchive, ranges: list[RangeFacts]) -> str:
    """Return why an instance is not recoverable to the present, and what to do."""
    segments = BinlogSegment.objects.filter(timeline__instance=archive.instance)
    if not segments.exists():
        return "no binlog is stored yet"
    if keys := missing_keys(archive.instance, known_keys()):
        return f"pieces are encrypted with keys that are missing: {', '.join(keys)}"
    if ranges:
        return f"{ranges[-1].ends_because}; take a backup: recovery is possible from then on"
    return "no restorable backup has coordinates in the stored binlogs; take a backup"
