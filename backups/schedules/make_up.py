"""Which planned runs take a full backup, because the last planned full one was not taken?

A fixed number of queries for any number of runs, and none where no schedule has such a setting.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Exists, OuterRef, Subquery

from backups.models import Backup, Occurrence
from backups.models.catalog import Origin
from backups.states import BackupKind, OccurrenceStatus, WaitReason

# Taken, or not wanted: a person cancelled it.
_DONE = (OccurrenceStatus.SUCCEEDED, OccurrenceStatus.CANCELLED)
# Open ones are replaced by the run that starts now.
_HOW = {
    OccurrenceStatus.FAILED: "failed",
    OccurrenceStatus.REFUSED: "was refused",
    OccurrenceStatus.MISSED: "was missed",
    OccurrenceStatus.SKIPPED: "was skipped",
}


def load_overdue_fulls(occurrences: Sequence[Occurrence]) -> dict[int, str]:
    """Map runs of other kinds to the reason for a full backup instead."""
    asking = [occurrence.pk for occurrence in occurrences if _makes_up(occurrence)]
    if not asking:
        return {}
    fulls = Occurrence.objects.filter(
        schedule=OuterRef("schedule"),
        instance=OuterRef("instance"),
        kind=BackupKind.FULL,
        due_at__lt=OuterRef("due_at"),
    ).order_by("-due_at")
    rows = Occurrence.objects.filter(pk__in=asking).annotate(full=Subquery(fulls.values("pk")[:1]))
    before = dict(rows.order_by().values_list("pk", "full"))
    overdue = _without_backup([full for full in before.values() if full is not None])
    return {pk: _reason(overdue[full]) for pk, full in before.items() if full in overdue}


def _makes_up(occurrence: Occurrence) -> bool:
    schedule = occurrence.schedule
    rule = schedule.full_cron and schedule.make_up_full and schedule.origin == Origin.MANAGED
    return bool(rule) and occurrence.kind != BackupKind.FULL


def _without_backup(fulls: Sequence[int]) -> dict[int, Occurrence]:
    """Of these planned full backups, those not taken; nor has there been another one since."""
    since = Backup.objects.filter(
        instance=OuterRef("instance"),
        kind=BackupKind.FULL,
        origin=Origin.MANAGED,
        ended_at__gt=OuterRef("due_at"),
    )
    rows = Occurrence.objects.filter(~Exists(since), pk__in=fulls).exclude(status__in=_DONE)
    # What was withheld would not fit now either: an increment is better than nothing.
    rows = rows.exclude(reason=WaitReason.WILL_NOT_FIT)
    return {row.pk: row for row in rows}


def _reason(full: Occurrence) -> str:
    how = _HOW.get(OccurrenceStatus(full.status), "was not taken")
    return f"the full backup due at {full.due_at:%Y-%m-%d %H:%M}Z {how}"
