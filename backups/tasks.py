"""The Celery tasks. They take ids and return nothing; each is safe to run twice, late or never."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from celery.signals import worker_shutting_down
from django.conf import settings
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from backups.binlog_archive.recovery import coverage
from backups.binlog_archive.storing import condition as binlog_condition
from backups.catalog import condition
from backups.chains import due
from backups.evidence_chain import due as due_chains
from backups.executor.execute import execute
from backups.executor.leftovers import (
    extend_expired,
    lose_expired,
    remove_leftovers,
    remove_leftovers_of_host,
)
from backups.health import protection_rows, space
from backups.health.clock_jump import refuse_clock_jump
from backups.health.heartbeats import alone, records_heartbeat, silent_since
from backups.health.queues import full_queues
from backups.hooks import owed
from backups.instances import reachability
from backups.jobs import wake
from backups.models import Instance, Job
from backups.objectives import rows as objective_rows
from backups.observed.read import READ_EVERY, due_histories, read_history
from backups.opened_tables import session
from backups.retention import binlogs, expiry, pruning, renewal
from backups.running import samples
from backups.schedules import copies, tick
from backups.schedules.matching import match_jobs
from backups.states import JobStatus, Operation

logger = logging.getLogger(__name__)

# By then it has been sent again: older messages must not pile up before newer ones.
EXPIRES = READ_EVERY.total_seconds()
LOST_TICK = "fail lost jobs"


@shared_task(ignore_result=True)
def run_job(job_id: int) -> None:
    """Run one job. Safe to deliver twice: the second copy loses the claim."""
    job = Job.objects.select_related("instance").get(pk=job_id)
    # On a shutdown that does not wait for the job, this raises SystemExit: by then the job has
    # ended in order, and has been requested again if so configured.
    if job.status != JobStatus.PENDING or not execute(job, requeues=True):
        logger.info(
            "%s is already claimed or not yet allowed to start; message dropped",
            job,
            extra={"action": "message_dropped", "job_id": job.pk},
        )
        return
    # Its places are free again: wake the jobs blocked by a limit, the oldest first.
    wake.wake_blocked_jobs()
    remove_leftovers_of_host()


@shared_task(ignore_result=True)
@records_heartbeat
def wake_waiting_jobs() -> None:
    """Wake jobs whose message was lost, or that were not yet allowed to start."""
    waiting = wake.jobs_to_wake(now() - timedelta(seconds=settings.WAKE_AGAIN_SECONDS))
    if not waiting:
        return
    # All of them, so that those left out below come after the others next time.
    Job.objects.filter(pk__in=[job.pk for job in waiting]).update(woken_at=now())
    try:
        with wake.celery_app().connection_for_read() as connection:
            # Repeated messages for hundreds of queued jobs would fill the broker overnight.
            full = full_queues(connection, set(wake.QUEUES.values()))
    except OperationalError as exc:
        logger.warning(
            "%d jobs stay queued: the message broker is unreachable: %s",
            len(waiting),
            exc,
            extra={"action": "wake_failed", "jobs": len(waiting)},
        )
        return
    wake.wake_all([job for job in waiting if wake.QUEUES[Operation(job.operation)] not in full])


@shared_task(ignore_result=True)
@records_heartbeat
def read_histories() -> None:
    """Send a task for each history that is due, so that one that hangs blocks no tick."""
    for instance_id in due_histories(now()):
        try:
            read_one_history.apply_async((instance_id,), queue="outside", expires=EXPIRES)
        except OperationalError as exc:
            logger.warning(
                "histories not read: the message broker is unreachable: %s",
                exc,
                extra={"action": "read_histories_failed"},
            )
            return


@shared_task(ignore_result=True)
def read_one_history(instance_id: int) -> None:
    """Read the history that an instance's backup tool wrote."""
    match_jobs(read_history(Instance.objects.get(pk=instance_id), now()), now())


@shared_task(ignore_result=True)
def keep_table_open(opening_id: int) -> None:
    """Keep a table of a backup open for an admin. Safe to deliver twice: one of them claims it."""
    session.keep_open(opening_id)


@worker_shutting_down.connect
def close_tables(**_: object) -> None:
    """Have open tables closed, so that this process can end."""
    session.ENDING.set()


@shared_task(ignore_result=True)
@records_heartbeat
def fail_lost_jobs() -> None:
    """Mark jobs as lost whose workers have stopped renewing their lease."""
    if silent_since(LOST_TICK, now()):
        # No check for a while, or the clock was set forward: let running workers renew first.
        extend_expired(now())
    elif lose_expired(now()):
        wake.wake_blocked_jobs()


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def clear_up() -> None:
    """Remove the bytes that ended jobs left behind, and close tables whose process has ended."""
    remove_leftovers()
    session.close_lost(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def run_owed_hooks() -> None:
    """Run the after hooks that jobs still owe whose workers died."""
    owed.run_owed()


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def probe_instances() -> None:
    """Probe whether the instances that are due answer."""
    reachability.probe_instances(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def measure_repositories() -> None:
    """Measure the free and total space of each repository."""
    space.measure_repositories(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def check_repositories() -> None:
    """Identify every repository and check that its copies are present."""
    condition.check_repositories(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def check_copies() -> None:
    """Check the manifests of the copies that are due: unchanged, and opened by a key?"""
    condition.check_copies(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def check_segments() -> None:
    """Check the stored pieces of binlogs that are due: there and unchanged?"""
    binlog_condition.check_segments(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def judge_recoverability() -> None:
    """Compute from when to when the instances with a binlog archive are recoverable."""
    coverage.judge_due(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def judge_objectives() -> None:
    """Judge whether the instances that are due are recoverable within their objectives."""
    objective_rows.judge_due(now())


@shared_task(ignore_result=True)
@records_heartbeat
def plan_occurrences() -> None:
    """Start, follow and account for the planned runs of schedules."""
    tick.plan_occurrences(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def verify_evidence() -> None:
    """Verify the chains of evidence that have new links, and the few that are due as a whole."""
    due_chains.verify_due(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def prune_history() -> None:
    """Delete history that is older than it is kept."""
    refuse_clock_jump("prune history", now())
    pruning.prune_history(now())
    objective_rows.prune_days(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def expire_backups() -> None:
    """Request the purge of backups that schedules no longer keep."""
    expiry.expire_backups(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def expire_binlogs() -> None:
    """Delete stored pieces of binlogs that no recovery needs."""
    binlogs.expire_binlogs(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def renew_locks() -> None:
    """Renew the locks of what retention keeps, where they end soon."""
    renewal.renew_locks(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def consolidate_chains() -> None:
    """Request a full backup of each chain that has become as long as its schedule lets it."""
    due.consolidate_chains(now())


@shared_task(ignore_result=True)
@alone
@records_heartbeat
def copy_wanted() -> None:
    """Request the copies that are wanted in further repositories and due."""
    copies.copy_wanted(now())


@shared_task(ignore_result=True)
@records_heartbeat
def judge_instances() -> None:
    """Assess the protection of the instances that are due."""
    protection_rows.judge_due(now())


@shared_task(ignore_result=True)
@records_heartbeat
def forget_samples() -> None:
    """Delete the samples behind the charts of old jobs."""
    samples.forget_samples(now())
