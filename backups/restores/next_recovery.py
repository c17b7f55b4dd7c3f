"""How long would a recovery of an instance take now, to the newest moment that it is possible to?

From rows alone: no repository is read.
"""

from __future__ import annotations

from django.db.models import F, Q, Sum

from backups.binlogs.segments.names import file_number
from backups.catalog.evidence import without_faults
from backups.exceptions import BinlogDamaged
from backups.health.usable import usable_copies, whole_copies
from backups.models import Backup, BinlogArchive, BinlogSegment, Instance, RecoverableRange
from backups.models.binlog import TimelineStart
from backups.restores.estimates import Estimate, predicted


def predict_newest(instance: Instance, archive: BinlogArchive | None) -> Estimate:
    """Predict a restore of the newest backup, with all archived binlogs if they lead on."""
    if archive is not None:
        rows = RecoverableRange.objects.filter(instance=instance, open=True)
        span = rows.select_related("newest_backup", "timeline").first()
        if span is not None:
            replayed = bytes_to_replay(archive, span)
            return predicted(instance, span.newest_backup, replayed or None)
    copies = without_faults(whole_copies(usable_copies())).filter(backup__instance=instance)
    copy = copies.select_related("backup").order_by("-backup__ended_at", "pk").first()
    if copy is None:
        return Estimate(None, "no backup can be restored")
    return predicted(instance, copy.backup, None)


def bytes_to_replay(archive: BinlogArchive, span: RecoverableRange) -> int:
    """Return how much of an open range follows its newest backup, what waits in the spool too."""
    last, backup = span.timeline, span.newest_backup
    if last.start == TimelineStart.FAILOVER and backup.started_at < last.began_at:
        # Its coordinates are another server's, which counts its own files.
        pieces = BinlogSegment.objects.filter(timeline__instance=span.instance_id)
        after = pieces.filter(created_at__gte=backup.started_at)
    else:
        after = BinlogSegment.objects.filter(_after(backup), timeline=last)
    stored = after.aggregate(total=Sum(F("end") - F("start")))["total"] or 0
    tail = archive.backlog_bytes or 0
    if archive.received_file == span.to_file and archive.received_position is not None:
        tail = max(archive.received_position - span.to_position, 0)
    return int(stored + tail)


def _after(backup: Backup) -> Q:
    """Match the pieces that end behind a backup: the first of them is counted whole."""
    try:
        number = file_number(backup.binlog_file)
    except BinlogDamaged:
        # Known once a copy was prepared: the times decide.
        return Q(created_at__gte=backup.started_at)
    later = Q(file_number__gt=number)
    return later | Q(file_number=number, end__gt=backup.binlog_position or 0)
