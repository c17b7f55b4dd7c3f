"""Which history is deleted: planned runs, log lines, counted requests older than they are kept?

Jobs, backups and evidence stay: they make up the catalog. The newest planned run of each schedule
and instance stays whatever its age, because expiry depends on it, and so does each whose backup is
still stored, because it names the schedule that decides how long that is kept.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef

from backups.models import BackupCopy, Job, JobLogLine, JobUsage, Occurrence
from backups.states import TERMINAL_OCCURRENCE_STATUSES, CopyStatus

# Per tick, to keep transactions short; the next one continues.
OCCURRENCES_AT_ONCE = 5_000
JOBS_AT_ONCE = 200


def prune_history(now: datetime) -> int:
    """Delete some of the oldest history; return how many planned runs and jobs' logs."""
    before = now - timedelta(days=settings.HISTORY_DAYS)
    return _prune_occurrences(before) + _prune_logs(before) + _prune_usage(before)


def _prune_occurrences(before: datetime) -> int:
    newer = Occurrence.objects.filter(
        schedule=OuterRef("schedule"),
        instance=OuterRef("instance"),
        due_at__gt=OuterRef("due_at"),
    )
    stored = BackupCopy.objects.filter(
        backup__made_by__occurrence=OuterRef("pk"), status=CopyStatus.STORED
    )
    old = Occurrence.objects.filter(
        Exists(newer), ~Exists(stored), due_at__lt=before, status__in=TERMINAL_OCCURRENCE_STATUSES
    )
    ids = list(old.order_by("due_at").values_list("pk", flat=True)[:OCCURRENCES_AT_ONCE])
    Occurrence.objects.filter(pk__in=ids).delete()
    return len(ids)


def _prune_logs(before: datetime) -> int:
    lines = JobLogLine.objects.filter(job=OuterRef("pk"))
    old = Job.objects.filter(Exists(lines), ended_at__lt=before)
    ids = list(old.order_by("id").values_list("pk", flat=True)[:JOBS_AT_ONCE])
    JobLogLine.objects.filter(job__in=ids).delete()
    return len(ids)


def _prune_usage(before: datetime) -> int:
    old = JobUsage.objects.filter(counted_at__lt=before).order_by("counted_at")
    ids = list(old.values_list("pk", flat=True)[:OCCURRENCES_AT_ONCE])
    JobUsage.objects.filter(pk__in=ids).delete()
    return len(ids)
