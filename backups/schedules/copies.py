"""The tick of later copies: which backups are to be copied where, and which of them now?

What a schedule wants to have elsewhere becomes a row for each backup and repository, as what
failed while a backup was taken is one. A row that is due leads to a job; a job that fails sets its
next time. The newest backups come first.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q

from backups.catalog.copies import source_for
from backups.exceptions import BadInput, MooringError
from backups.jobs.copying import create_copying_job, target_of
from backups.jobs.wake import wake_all
from backups.models import Backup, BackupCopy, BackupSchedule, Job, Repository, WantedCopy
from backups.models.wanted_copy import WantCause
from backups.schedules.copy_window import CopyWindow
from backups.states import ACTIVE_JOB_STATUSES, CopyStatus, Operation
from backups.transitions.wanted_copies import note_refusal, put_off, want_copy
from backups.wall_clock import zone

logger = logging.getLogger(__name__)

# Older ones are copied by hand: a schedule that gets a further repository does not begin with all.
WANTED_WITHIN = timedelta(days=7)
WANTED_PER_TICK = 500
# Jobs that are queued or running for one repository.
MOST_ACTIVE = 2


def copy_wanted(now: datetime) -> int:
    """Record what schedules want elsewhere, and request what is due; return how many jobs."""
    want_by_schedules(now)
    return _request_due(now)


def want_by_schedules(now: datetime) -> None:
    """Record which backups of schedules are to be copied, and from when on."""
    schedules = BackupSchedule.objects.filter(
        enabled=True, operation=Operation.BACKUP, copy_to__isnull=False
    ).distinct()
    for schedule in schedules.prefetch_related("copy_to"):
        for target in schedule.copy_to.all():
            for backup in _without_copy(schedule, target, now):
                wanted = want_copy(backup, target, WantCause.SCHEDULE, schedule=schedule)
                put_off(wanted, window_of(schedule).opens_after(now))


def window_of(schedule: BackupSchedule | None) -> CopyWindow:
    """Return when copies of a schedule's backups are made; at any time without one."""
    if schedule is None:
        return CopyWindow(zone("UTC"))
    try:
        where = zone(schedule.time_zone)
    except BadInput:
        # Reported where its runs are planned.
        where = zone("UTC")
    return CopyWindow(where, schedule.copy_opens_at, schedule.copy_closes_at)


def _without_copy(schedule: BackupSchedule, target: Repository, now: datetime) -> list[Backup]:
    """Return the newest backups of a schedule that a repository has never had."""
    there = BackupCopy.objects.filter(backup=OuterRef("pk"), repository=target)
    wanted = WantedCopy.objects.filter(backup=OuterRef("pk"), repository=target)
    # Their bytes go as they are: encrypted ones where all are, the others where none is.
    unlike = Q(key_id="") if target.encrypted else ~Q(key_id="")
    stored = BackupCopy.objects.filter(~unlike, backup=OuterRef("pk"), status=CopyStatus.STORED)
    backups = Backup.objects.filter(
        ~Exists(there),
        ~Exists(wanted),
        Exists(stored),
        made_by__occurrence__schedule=schedule,
        ended_at__gt=now - WANTED_WITHIN,
    )
    return list(backups.order_by("-ended_at")[:WANTED_PER_TICK])


def _request_due(now: datetime) -> int:
    due = WantedCopy.objects.still_wanted().filter(
        Q(next_attempt_at__lte=now), repository__enabled=True, repository__fault=""
    )
    if not due.exists():
        return 0
    active = _active_by_target()
    rows = due.select_related("backup", "repository", "schedule").order_by("-backup__ended_at")
    jobs = []
    for wanted in rows[:WANTED_PER_TICK]:
        if active[wanted.repository_id] >= MOST_ACTIVE:
            continue
        if job := _request(wanted, now):
            jobs.append(job)
            active[wanted.repository_id] += 1
    wake_all(jobs)
    return len(jobs)


def _active_by_target() -> Counter[int]:
    jobs = Job.objects.filter(operation=Operation.COPY, status__in=ACTIVE_JOB_STATUSES)
    return Counter(target_of(job).pk for job in jobs.select_related("copy"))


def _request(wanted: WantedCopy, now: datetime) -> Job | None:
    window = window_of(wanted.schedule)
    if not window.is_open(now):
        put_off(wanted, window.opens_after(now))
        return None
    try:
        source = source_for(wanted.backup, wanted.repository)
        job = create_copying_job(source, wanted.repository, actor="missing copies", wake=False)
    except MooringError as exc:
        note_refusal(wanted, exc, now)
        logger.info(
            "%s is not made now: %s",
            wanted,
            exc,
            extra={"action": "copy_refused", "backup": wanted.backup.label},
        )
        return None
    put_off(wanted, None, job=job)
    return job
