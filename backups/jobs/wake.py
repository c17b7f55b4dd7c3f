"""How is a worker notified of a job? By a message that only wakes it: the row is authoritative.

Celery is imported where a message is sent: it takes as long to load as all else a command needs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Q
from django.utils.module_loading import import_string
from django.utils.timezone import now

from backups.models import Job
from backups.states import JobStatus, Operation

if TYPE_CHECKING:
    from celery import Celery

logger = logging.getLogger(__name__)

# Sent by name: the task's module is in a higher layer and imports this one.
RUN_JOB = "backups.tasks.run_job"

QUEUES: Mapping[Operation, str] = {
    Operation.BACKUP: "copy",
    Operation.RESTORE: "transfer",
    Operation.RESTORE_TABLE: "transfer",
    Operation.VERIFY: "transfer",
    Operation.RESTORE_TEST: "transfer",
    Operation.REHEARSAL: "transfer",
    Operation.CONSOLIDATE: "transfer",
    Operation.EXPORT: "transfer",
    Operation.COPY: "transfer",
    Operation.PURGE: "transfer",
}

# More than can start when one job ends; the tick wakes the others.
MAX_WOKEN = 20


def celery_app() -> Celery:
    """Return the application that sends messages. By name: its module is in a higher layer."""
    app: Celery = import_string(settings.MESSAGES_APP)
    return app


def wake(job: Job) -> None:
    """Send the message that makes a worker claim a job.

    If the broker is unreachable the job stays queued in its row, and the tick wakes it later.
    """
    from kombu.exceptions import OperationalError

    Job.objects.filter(pk=job.pk).update(woken_at=now())
    try:
        _send(job)
    except OperationalError as exc:
        logger.warning(
            "job %s stays queued: the message broker is unreachable: %s",
            job.pk,
            exc,
            extra={"action": "wake_failed", "job_id": job.pk},
        )


def wake_all(jobs: Sequence[Job]) -> None:
    """Wake jobs whose rows are marked as woken; stop if the broker is unreachable."""
    from kombu.exceptions import OperationalError

    try:
        with celery_app().producer_or_acquire() as producer:
            for job in jobs:
                _send(job, producer)
    except OperationalError as exc:
        logger.warning(
            "%d jobs stay queued: the message broker is unreachable: %s",
            len(jobs),
            exc,
            extra={"action": "wake_failed", "jobs": len(jobs)},
        )


def jobs_to_wake(woken_before: datetime) -> list[Job]:
    """Load pending jobs without a recent message to the workers.

    A message of the future is not recent: the clock was set back, or is that of another host.
    """
    future = woken_before + timedelta(seconds=2 * settings.WAKE_AGAIN_SECONDS)
    stale = Q(woken_at=None) | Q(woken_at__lte=woken_before) | Q(woken_at__gt=future)
    return list(Job.objects.filter(stale, status=JobStatus.PENDING).order_by("id")[:500])


def wake_blocked_jobs() -> None:
    """Wake the oldest jobs blocked by a limit or by another job, which may have ended."""
    blocked = Job.objects.filter(status=JobStatus.PENDING).exclude(waits_for="")
    for job in blocked.order_by("id")[:MAX_WOKEN]:
        wake(job)


# Any: producers of brokers share no typed interface.
def _send(job: Job, producer: Any = None) -> None:
    queue = QUEUES[Operation(job.operation)]
    celery_app().send_task(RUN_JOB, (job.pk,), queue=queue, producer=producer, ignore_result=True)
