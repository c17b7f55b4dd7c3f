"""Which history does an instance's archive follow, and what does a break in it leave behind?"""

from __future__ import annotations

from django.db import transaction
from django.utils.timezone import now

from backups.binlog_archive.receiving.source import SourceFacts
from backups.binlogs.dump.start import Break, Start
from backups.exceptions import LeaseLost
from backups.models.binlog import (
    BinlogArchive,
    BinlogGap,
    BinlogTimeline,
    RecoverableRange,
    TimelineStart,
)
from backups.models.instance import Instance


def present_timeline(instance: Instance) -> BinlogTimeline | None:
    """Return the timeline that an instance's binlogs are received into."""
    return BinlogTimeline.objects.filter(instance=instance, ended_at__isnull=True).first()


@transaction.atomic
def begin_timeline(
    archive: BinlogArchive, token: int, facts: SourceFacts, start: Start
) -> BinlogTimeline:
    """End the present timeline and begin another; LeaseLost if another process has the archive.

    Unless a server took over that has all that was received, the break is recorded as a gap.
    """
    locked = BinlogArchive.objects.select_for_update().filter(pk=archive.pk, token=token)
    if (row := locked.first()) is None:
        raise LeaseLost("another process receives for this archive")
    at = now()
    present = BinlogTimeline.objects.filter(instance=row.instance, ended_at__isnull=True)
    present.update(ended_at=at)
    # Nothing that arrives from now on prolongs it.
    RecoverableRange.objects.filter(instance=row.instance, open=True).update(
        open=False, ends_because=f"the history ends: {start.reason}"[:300]
    )
    BinlogArchive.objects.filter(pk=row.pk).update(judged_at=None)
    if start.broken not in {None, Break.FAILOVER}:
        _record_gap(row, start)
    return BinlogTimeline.objects.create(
        instance=row.instance,
        start=start.broken.value if start.broken else TimelineStart.FIRST,
        server_identity=facts.identity[:120],
        server_version=facts.version[:80],
        began_at=at,
    )


def _record_gap(row: BinlogArchive, start: Start) -> None:
    BinlogGap.objects.create(
        instance=row.instance,
        after_file=row.received_file,
        after_position=row.received_position,
        after_commit_at=row.last_commit_at,
        before_file=start.at.file,
        before_position=start.at.position,
        reason=start.reason[:300],
    )
