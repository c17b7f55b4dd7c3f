"""Celery's doorways. Ids in, nothing out; every task is safe to run twice, late or never."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from backups.catalog import condition
from backups.executor.execute import execute
from backups.executor.leftovers import extend_expired, lose_expired, remove_leftovers
from backups.health import protection_rows, space
from backups.health.heartbeats import alone, beating, silent_since
from backups.health.queues import full_queues
from backups.instances import reachability
from backups.jobs import wake
from backups.models import Instance, Job
from backups.observed.read import READ_EVERY, due_histories, read_history
from backups.retention import expiry, pruning
from backups.running import samples
from backups.schedules import tick
from backups.schedules.matching import meet_occurrences
from backups.states import JobStatus, Operation

logger = logging.getLogger(__name__)

# It is asked for again by then: what waits longer must not pile up before what is new.
EXPIRES = READ_EVERY.total_seconds()
LOST_TICK = "fail lost jobs"


@shared_task(ignore_result=True)
def run_job(job_id: int) -> None:
    """Run one job. Safe to deliver twice: the second copy loses the claim."""
    job = Job.objects.select_related("instance").get(pk=job_id)
    # Told to end without waiting for the job, this raises SystemExit: the job has been ended
    # in order by then, and asked for again where that is wanted.
    if job.status != JobStatus.PENDING or not execute(job, requeues=True):
        logger.info("%s is not to be had, dropping the message", job)
        return
    # It gave back its slots: whoever was turned away may have its turn now, the oldest first.
    wake.wake_turned_away()


@shared_task(ignore_result=True)
@beating
def wake_waiting_jobs() -> None:
    """Wake jobs whose message was lost, or whose turn had not come."""
    waiting = wake.waiting_jobs(now() - timedelta(seconds=settings.WAKE_AGAIN_SECONDS))
    if not waiting:
        return
    # Those that are left out have their turn after the others, too.
    Job.objects.filter(pk__in=[job.pk for job in waiting]).update(woken_at=now())
    try:
        with run_job.app.connection_for_read() as connection:
            # Hundreds of jobs that wait all night behind long ones would fill the broker.
            full = full_queues(connection, set(wake.QUEUES.values()))
    except OperationalError as exc:
        logger.warning("%d jobs wait: the broker is away: %s", len(waiting), exc)
        return
    wake.wake_all([job for job in waiting if wake.QUEUES[Operation(job.operation)] not in full])


@shared_task(ignore_result=True)
@beating
def read_histories() -> None:
    """Have the histories read that are due, each by itself: one that hangs holds up no tick."""
    for instance_id in due_histories(now()):
        try:
            read_one_history.apply_async((instance_id,), queue="outside", expires=EXPIRES)
        except OperationalError as exc:
            logger.warning("histories wait: the broker is away: %s", exc)
            return


@shared_task(ignore_result=True)
def read_one_history(instance_id: int) -> None:
    """Read what an instance's backup tool wrote down."""
    meet_occurrences(read_history(Instance.objects.get(pk=instance_id), now()), now())


@shared_task(ignore_result=True)
@beating
def fail_lost_jobs() -> None:
    """Take jobs from workers that stopped renewing their lease."""
    if silent_since(LOST_TICK, now()):
        # Nobody looked for a while, or the clock was set forward: whoever lives renews first.
        extend_expired(now())
    elif lose_expired(now()):
        wake.wake_turned_away()


@shared_task(ignore_result=True)
@alone
@beating
def clear_up() -> None:
    """Remove the bytes that ended jobs left."""
    remove_leftovers()


@shared_task(ignore_result=True)
@alone
@beating
def probe_instances() -> None:
    """Ask the instances whose turn it is whether they answer."""
    reachability.probe_instances(now())


@shared_task(ignore_result=True)
@alone
@beating
def measure_repositories() -> None:
    """Look how much fits into each repository."""
    space.measure_repositories(now())


@shared_task(ignore_result=True)
@alone
@beating
def check_repositories() -> None:
    """Identify every repository, and look whether its copies are there."""
    condition.check_repositories(now())


@shared_task(ignore_result=True)
@alone
@beating
def check_copies() -> None:
    """Read the manifests of the copies whose turn it is: unchanged, and does a key open them?"""
    condition.check_copies(now())


@shared_task(ignore_result=True)
@beating
def plan_occurrences() -> None:
    """Start, follow and account for what schedules have planned."""
    tick.plan_occurrences(now())


@shared_task(ignore_result=True)
@alone
@beating
def prune_history() -> None:
    """Delete records of the past that are too old."""
    pruning.prune_history(now())


@shared_task(ignore_result=True)
@beating
def expire_backups() -> None:
    """Ask for the deletion of what schedules no longer keep."""
    expiry.expire_backups(now())


@shared_task(ignore_result=True)
@beating
def judge_instances() -> None:
    """Say again how protected the instances are whose turn it is."""
    protection_rows.judge_due(now())


@shared_task(ignore_result=True)
@beating
def forget_samples() -> None:
    """Delete what charts of old jobs were drawn from."""
    samples.forget_samples(now())
