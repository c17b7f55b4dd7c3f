"""The tick of restore tests: which instances are due for one by their schedules?

One runs at a time for the whole fleet: it needs a disk and a server, and a restore that a person
waits for comes from the same queue.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import DateTimeField, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from backups.catalog.evidence import without_faults
from backups.exceptions import MooringError
from backups.health.usable import lasting_copies, whole_copies
from backups.jobs.cancel import request_cancel
from backups.models import BackupSchedule, Instance, Job
from backups.models.catalog import Origin
from backups.restores.drills import WantedTest, create_restore_test_job
from backups.states import (
    ACTIVE_JOB_STATUSES,
    CHOSEN_KINDS,
    DrillPoint,
    JobStatus,
    Operation,
)

logger = logging.getLogger(__name__)

# One that hangs must not keep all others from starting.
LONGEST = timedelta(days=1)
# What did not come to a result is not requested again at once.
RETRY_AFTER = timedelta(days=1)
NO_RESULT = (JobStatus.REFUSED, JobStatus.LOST, JobStatus.CANCELLED)
# Refused ones must not keep the others waiting for ever, nor a tick busy.
MOST_TRIED = 20


def start_restore_tests(now: datetime) -> int:
    """Request the restore test that is due, if none runs; return how many were."""
    running = Job.objects.filter(
        operation=Operation.RESTORE_TEST,
        status__in=ACTIVE_JOB_STATUSES,
        parameters__schedule__isnull=False,
    )
    for job in running.filter(started_at__lt=now - LONGEST, cancel_requested=False):
        # A restore that a person waits for, and backups, have the same places.
        request_cancel(job, actor="restore tests: it has run for a day")
    if running.exists():
        return 0
    for tried, wanted in enumerate(_due(now)):
        if tried == MOST_TRIED:
            break
        if _request(wanted):
            return 1
    return 0


def _due(now: datetime) -> Iterator[WantedTest]:
    schedules = BackupSchedule.objects.filter(
        enabled=True, paused_at=None, origin=Origin.MANAGED
    ).exclude(restore_tests="")
    for schedule in schedules.order_by("id"):
        for instance in _instances_due(schedule, now)[:MOST_TRIED]:
            yield WantedTest(instance, DrillPoint(schedule.restore_tests), schedule=schedule.name)


def _instances_due(schedule: BackupSchedule, now: datetime) -> QuerySet[Instance]:
    """Return those whose last test is too old, the longest untested first."""
    tests = Job.objects.filter(operation=Operation.RESTORE_TEST, instance=OuterRef("pk"))
    # One of a partial backup says nothing of the instance.
    tests = tests.exclude(kind__in=CHOSEN_KINDS)
    if schedule.restore_tests != DrillPoint.BACKUP:
        tests = tests.filter(parameters__point=schedule.restore_tests)
    recent = tests.filter(requested_at__gt=now - timedelta(days=schedule.restore_test_days))
    tried = recent.filter(~Q(status__in=NO_RESULT) | Q(requested_at__gt=now - RETRY_AFTER))
    active = Job.objects.filter(
        operation=Operation.RESTORE_TEST, instance=OuterRef("pk"), status__in=ACTIVE_JOB_STATUSES
    )
    whole = whole_copies(lasting_copies())
    copies = without_faults(whole.filter(backup__instance=OuterRef("pk")))
    last = Subquery(tests.order_by("-id").values("requested_at")[:1], DateTimeField())
    covered = Instance.objects.filter(enabled=True)
    if not schedule.covers_all:
        covered = covered.filter(
            Q(schedules=schedule) | Q(groups__schedules=schedule) | Q(tags__schedules=schedule)
        )
    due = covered.filter(~Exists(tried), ~Exists(active), Exists(copies)).distinct()
    return due.annotate(last=Coalesce(last, "created_at")).order_by("last", "pk")


def _request(wanted: WantedTest) -> Job | None:
    try:
        return create_restore_test_job(wanted)
    except MooringError as exc:
        logger.info(
            "%s is not restore-tested: %s",
            wanted.instance.name,
            exc,
            extra={"action": "restore_test_refused", "instance": wanted.instance.name},
        )
        return None
