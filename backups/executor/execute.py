"""How is a job run from claim to outcome?

The same code serves a Celery worker and ``--foreground``. Whatever happens in a stage, the
ones that ran are cleaned up, last first, and the job ends with a status that is true.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.conf import settings
from django.db import (
    Error,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)
from django.utils.timezone import now

from backups.exceptions import CancelRequested, LeaseLost, MooringError, NotWanted, Refused
from backups.executor.operations import exclusive_key, plan_job
from backups.jobs.request import ask_again
from backups.models import Job
from backups.models.job import LogLevel
from backups.running.lease import Pulse
from backups.running.run import Run
from backups.running.stage_rows import StageRows
from backups.stages.base import Stage
from backups.states import JobStatus, StageStatus
from backups.transitions.jobs import Outcome, claim, end
from backups.transitions.limits import limits_of

logger = logging.getLogger(__name__)

# Stages of any operation hand each other a work object of their own type.
AnyStage = Stage[Any]
T = TypeVar("T")
SETTLE_AGAIN_SECONDS = 0.5
# What becomes of the job of a worker that is told to end now.
REQUEUE, FAIL = "requeue", "fail"


def worker_name() -> str:
    """Name this process in a job's row: host and pid."""
    return f"{socket.gethostname()}:{os.getpid()}"


def execute(job: Job, *, requeues: bool = False) -> bool:
    """Claim and run ``job``. Return False when somebody else has it, or its turn has not come.

    With ``requeues`` what a shutdown ended is asked for again, where that is wanted.
    """
    key, limits = exclusive_key(job), limits_of(job)
    if not claim(job, worker=worker_name(), exclusive_key=key, now=now(), limits=limits):
        return False
    logger.info("%s claimed", job, extra={"action": "job_claimed", "job_id": job.pk})
    run = Run(job)
    run.requeues = requeues
    ended = _attempt(run)
    try:
        _settle(run, *ended)
    except SystemExit as exc:
        # Told to end while the end was being written: that comes first.
        run.shutdown = exc
        if run.job.status == JobStatus.RUNNING:
            _settle(run, *ended)
    if run.shutdown is not None:
        # The job has ended in order; now the process may.
        raise run.shutdown
    return True


def _attempt(run: Run) -> tuple[JobStatus, Outcome]:
    try:
        stages, work = plan_job(run.job)
        rows = StageRows(run, [(stage.title, stage.children(run)) for stage in stages])
    except (Exception, SystemExit) as error:
        return _outcome_of(run, "start", error)
    with Pulse(run, rows):
        return _run_stages(run, rows, stages, work)


def _run_stages(
    run: Run, rows: StageRows, stages: Sequence[AnyStage], work: object
) -> tuple[JobStatus, Outcome]:
    """Run the stages in order, and on failure undo the ones that ran, last first."""
    ran: list[AnyStage] = []
    title = ""
    try:
        for number, stage in enumerate(stages):
            title = stage.title
            run.check()
            if not stage.should_run(run, work):
                rows.skip(number, now())
                continue
            ran.append(stage)
            _run_stage(run, rows, number, stage, work)
    except BaseException as error:
        # Not only our own errors: a shutdown must tidy up too. What comes in during the
        # clean-up is not why the job ends.
        reason = run.stop_reason or error
        _clean_up(run, ran, work)
        return _outcome_of(run, title, reason)
    return JobStatus.SUCCEEDED, Outcome()


def _run_stage(run: Run, rows: StageRows, number: int, stage: AnyStage, work: object) -> None:
    run.stage, run.stage_number, run.step = stage.name, number, ""
    run.watched, run.metered = stage.watched, False
    run.activity += 1
    close_old_connections()
    rows.start(number, now())
    try:
        detail = stage.run(run, work)
        # A stage can take hours: the database may have been restarted meanwhile.
        close_old_connections()
    except BaseException:
        # Should this fail too, the stage's own error counts; a job that ends closes its stages.
        with contextlib.suppress(Exception):
            rows.end(number, StageStatus.FAILED, now())
        raise
    # What has been done is done: a database that is away just now takes nothing back.
    _write_patiently(run, lambda: rows.end(number, StageStatus.SUCCEEDED, now(), detail))


def _clean_up(run: Run, ran: Sequence[AnyStage], work: object) -> None:
    run.watched = False
    close_old_connections()
    for stage in reversed(ran):
        try:
            stage.clean_up(run, work)
        except (SystemExit, KeyboardInterrupt) as exc:
            # Told to end while it tidies up: the others still do, and the row says how it ended.
            run.shutdown = exc if isinstance(exc, SystemExit) else SystemExit(130)
        except Exception as exc:
            # What is left is marked on the row, and a tick goes on trying.
            logger.exception("%s: clean-up of %s failed", run.job, stage.title)
            run.log(stage.name, f"clean-up failed: {exc}", LogLevel.WARNING)


def _outcome_of(run: Run, stage: str, error: BaseException) -> tuple[JobStatus, Outcome]:
    if isinstance(error, CancelRequested | KeyboardInterrupt):
        run.log("mooring", "cancelled on request")
        return JobStatus.CANCELLED, Outcome(reason="cancelled on request", failed_stage=stage)
    if isinstance(error, NotWanted):
        run.log("mooring", f"not wanted any more: {error}")
        return JobStatus.CANCELLED, Outcome(reason=str(error), failed_stage=stage)
    if isinstance(error, SystemExit):
        run.shutdown = error
        text = f"{stage} failed: the worker was shut down"
        run.log("mooring", text, LogLevel.ERROR)
        run.asks_again = run.requeues and settings.ON_SHUTDOWN == REQUEUE
        hint = "It was asked for again as a new job." if run.asks_again else "Start it again."
        return JobStatus.FAILED, Outcome(error=text, hint=hint, failed_stage=stage)
    if isinstance(error, LeaseLost):
        logger.warning("%s: stopped: %s", run.job, error)
        return JobStatus.LOST, Outcome(reason=str(error))
    if isinstance(error, MooringError):
        verb = "refused" if isinstance(error, Refused) else "failed"
        text, hint = f"{stage} {verb}: {error}", error.hint
    elif isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        text = f"{stage} failed: {where}{error.strerror or error}"
        hint = "Look at the log of the host, and start it again."
    elif isinstance(error, OperationalError | InterfaceError):
        logger.warning("%s: %s failed: %s", run.job, stage, error)
        text = f"{stage} failed: Mooring's own database was away"
        hint = "See that its database runs, and start it again."
    else:
        logger.error("%s: %s failed", run.job, stage, exc_info=error)
        text = f"{stage} failed: unexpected {type(error).__name__}"
        hint = "This is a fault of Mooring itself: the worker's log has the details."
    run.log("mooring", text, LogLevel.ERROR)
    refused = isinstance(error, Refused)
    return JobStatus.FAILED, Outcome(error=text, hint=hint, failed_stage=stage, refused=refused)


def _settle(run: Run, to: JobStatus, outcome: Outcome) -> None:
    """Record how it ended. Whoever lost the lease records nothing: the row is another's.

    A database that is away just now is waited for as long as the lease lasts: hours of work
    must not end as lost because of it.
    """
    if to is JobStatus.LOST:
        return
    if _write_patiently(run, lambda: _end(run, to, outcome)):
        logger.info("%s %s", run.job, to, extra={"action": "job_ended", "job_id": run.job.pk})


def _end(run: Run, to: JobStatus, outcome: Outcome) -> bool:
    """End the job; one whose worker was shut down is asked for again in the same breath.

    A tick that looked in between would plan a retry of its own.
    """
    # Its own row: what is rolled back and written once more must begin with the old status.
    job = copy.copy(run.job)
    with transaction.atomic():
        ended = end(job, to, now=now(), outcome=outcome, actor=job.worker)
        if ended and run.asks_again:
            ask_again(job)
    if ended:
        run.job.refresh_from_db()
    return ended


def _write_patiently(run: Run, write: Callable[[], T]) -> T:
    """Write as soon as the database is there; what it raises once the lease would be over."""
    deadline = time.monotonic() + settings.LEASE_SECONDS
    while True:
        try:
            return write()
        except Error as exc:
            if time.monotonic() > deadline:
                raise
            logger.warning("%s: its rows cannot be written yet: %s", run.job, exc)
            connection.close()
            time.sleep(SETTLE_AGAIN_SECONDS)
