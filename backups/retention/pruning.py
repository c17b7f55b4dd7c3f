"""Which records of the past go: planned runs and log lines older than anybody asks about?

Jobs, backups and evidence stay: they are what the catalog is made of. Of planned runs the newest
of each schedule and instance stays however old it is, because what may expire depends on it; and
so does each whose backup is still stored, because it tells which schedule keeps that, and for how
long.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef

from backups.models import BackupCopy, Job, JobLogLine, Occurrence
from backups.states import TERMINAL_OCCURRENCE_STATUSES, CopyStatus

# In one tick, so that no transaction is long; the next one goes on.
OCCURRENCES_AT_ONCE = 5_000
JOBS_AT_ONCE = 200


def prune_history(now: datetime) -> int:
    """Delete some of what is too old; return how many planned runs and jobs' logs went."""
    before = now - timedelta(days=settings.HISTORY_DAYS)
    return _prune_occurrences(before) + _prune_logs(before)


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
