"""The tick of consolidations: which chains have become as long as their schedule lets them?

A chain whose last link is its schedule's is made into a full backup once it has so many backups
after its full one. The next backup is based on that, and the old chain expires as a whole.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from backups.catalog.evidence import without_faults
from backups.exceptions import MooringError
from backups.health.usable import lasting_copies
from backups.jobs.consolidation import create_consolidate_job
from backups.jobs.wake import wake_all
from backups.models import Backup, BackupCopy, BackupSchedule, Job
from backups.models.catalog import Origin
from backups.states import ACTIVE_JOB_STATUSES, CopyStatus, Operation

logger = logging.getLogger(__name__)

# One that failed is not requested again every hour.
RETRY_AFTER = timedelta(days=1)


def consolidate_chains(now: datetime) -> int:
    """Request the consolidations that are due; return how many."""
    schedules = BackupSchedule.objects.filter(
        enabled=True, paused_at=None, origin=Origin.MANAGED, operation=Operation.BACKUP
    )
    jobs = [
        job
        for schedule in schedules.order_by("id")
        if schedule.consolidate_after is not None
        for backup in _due(schedule, schedule.consolidate_after, now)
        if (job := _request(schedule, backup))
    ]
    wake_all(jobs)
    return len(jobs)


def _due(schedule: BackupSchedule, links: int, now: datetime) -> QuerySet[Backup]:
    """Return the last links of chains with so many of them, one for each instance."""
    jobs = Job.objects.filter(operation=Operation.CONSOLIDATE, backup=OuterRef("pk"))
    tried = jobs.filter(Q(status__in=ACTIVE_JOB_STATUSES) | Q(requested_at__gt=now - RETRY_AFTER))
    # What it takes is based on the link.
    running = Job.objects.filter(
        operation=Operation.BACKUP,
        origin=Origin.MANAGED,
        instance=OuterRef("instance"),
        status__in=ACTIVE_JOB_STATUSES,
    )
    last_links = Backup.objects.filter(
        ~Exists(_newer_ones()),
        ~Exists(tried),
        ~Exists(running),
        instance__enabled=True,
        base__isnull=False,
        made_by__occurrence__schedule=schedule,
    )
    return last_links.annotate(links=Count("ancestors")).filter(links__gte=links)


def _newer_ones() -> QuerySet[Backup]:
    later = Q(ended_at__gt=OuterRef("ended_at")) | Q(
        ended_at=OuterRef("ended_at"), id__gt=OuterRef("pk")
    )
    # One of chosen tables follows those of the same tables only.
    return Backup.objects.filter(
        later,
        choice=OuterRef("choice"),
        instance=OuterRef("instance"),
        origin=Origin.MANAGED,
        copies__status=CopyStatus.STORED,
    )


def _request(schedule: BackupSchedule, backup: Backup) -> Job | None:
    copies = without_faults(lasting_copies().filter(backup=backup, repository__enabled=True))
    copy: BackupCopy | None = copies.select_related("backup__instance", "repository").first()
    if copy is None:
        # Of a chain that cannot be read nothing can be made: the next backup is a full one.
        return None
    try:
        return create_consolidate_job(copy, actor=f"schedule {schedule.name}", wake=False)
    except MooringError as exc:
        logger.info(
            "%s is not consolidated: %s",
            backup.label,
            exc,
            extra={"action": "consolidation_refused", "backup": backup.label},
        )
        return None
