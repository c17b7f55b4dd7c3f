"""How does a worker learn of a job? By a message, which is only a wake-up: the row is the truth.

Celery is imported where a message is sent: it takes as long to load as all else a command needs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
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

# By name: the task stands above this room and imports it.
RUN_JOB = "backups.tasks.run_job"

QUEUES: Mapping[Operation, str] = {
    Operation.BACKUP: "copy",
    Operation.RESTORE: "transfer",
    Operation.VERIFY: "transfer",
    Operation.RESTORE_TEST: "transfer",
    Operation.PURGE: "transfer",
}

# More than can begin when one job ends; the tick wakes the others.
MOST_WOKEN = 20


def celery_app() -> Celery:
    """Return the application that messages are sent through. By name: it stands above us."""
    app: Celery = import_string(settings.MESSAGES_APP)
    return app


def wake(job: Job) -> None:
    """Send the message that makes a worker look at a job.

    A broker that is away loses nothing: the job waits in its row, and a tick wakes it.
    """
    from kombu.exceptions import OperationalError

    Job.objects.filter(pk=job.pk).update(woken_at=now())
    try:
        _send(job)
    except OperationalError as exc:
        logger.warning("job %s waits: the broker is away: %s", job.pk, exc)


def wake_all(jobs: Sequence[Job]) -> None:
    """Wake many jobs whose rows say that they were woken; stop at once if the broker is away."""
    from kombu.exceptions import OperationalError

    try:
        with celery_app().producer_or_acquire() as producer:
            for job in jobs:
                _send(job, producer)
    except OperationalError as exc:
        logger.warning("%d jobs wait: the broker is away: %s", len(jobs), exc)


def waiting_jobs(woken_before: Any) -> list[Job]:
    """Load pending jobs that nobody was told of lately."""
    stale = Q(woken_at=None) | Q(woken_at__lte=woken_before)
    return list(Job.objects.filter(stale, status=JobStatus.PENDING).order_by("id")[:500])


def wake_turned_away() -> None:
    """Wake the oldest jobs that had to wait for others: one of those may have ended."""
    turned_away = Job.objects.filter(status=JobStatus.PENDING).exclude(waits_for="")
    for job in turned_away.order_by("id")[:MOST_WOKEN]:
        wake(job)


# Any: the connection of a broker, whichever it is.
def _send(job: Job, producer: Any = None) -> None:
    queue = QUEUES[Operation(job.operation)]
    celery_app().send_task(RUN_JOB, (job.pk,), queue=queue, producer=producer, ignore_result=True)
