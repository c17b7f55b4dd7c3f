"""How is a job run from claim to outcome?

The same code serves a Celery worker and ``--foreground``. Whatever happens in a stage, the
stages that ran are cleaned up, last first, and the job ends with a correct status.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

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

from backups.exceptions import (
    BadInput,
    CancelRequested,
    LeaseLost,
    MooringError,
    NoLongerNeeded,
    Refused,
    Tolerated,
)
from backups.executor.hooked import (
    AnyStage,
    HookedStages,
    record_problems,
    release_copy,
    result_of,
    run_late,
    with_hooks,
)
from backups.executor.operations import exclusive_key, plan_job
from backups.jobs.request import request_again
from backups.models import Job, KeptRestore
from backups.models.job import LogLevel
from backups.running.lease import LeaseKeeper
from backups.running.run import Run
from backups.running.stage_rows import StageRows
from backups.states import JobStatus, StageStatus
from backups.transitions.jobs import JobOutcome, claim, end
from backups.transitions.limits import limits_of

logger = logging.getLogger(__name__)

T = TypeVar("T")
WRITE_RETRY_SECONDS = 0.5
# What happens to the job of a worker that is shut down.
REQUEUE, FAIL = "requeue", "fail"


def worker_name() -> str:
    """Name this process in a job's row: host and pid."""
    return f"{socket.gethostname()}:{os.getpid()}"


def execute(job: Job, *, requeues: bool = False) -> bool:
    """Claim and run ``job``. Return False if it is already claimed or not yet allowed to start.

    With ``requeues`` a job that a shutdown ended is requested again, if so configured.
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
        # Shut down while the outcome was being written: write it first.
        run.shutdown = exc
        if run.job.status == JobStatus.RUNNING:
            _settle(run, *ended)
    if run.shutdown is not None:
        # The job has ended in order; now the process may exit.
        raise run.shutdown
    return True


def _attempt(run: Run) -> tuple[JobStatus, JobOutcome]:
    try:
        stages, work = plan_job(run.job)
        hooked = with_hooks(run, stages)
        rows = StageRows(run, [(stage.title, stage.children(run)) for stage in hooked.all])
    except (Exception, SystemExit) as error:
        return _outcome_of(run, "start", error)
    with LeaseKeeper(run, rows):
        to, outcome = _run_stages(run, rows, hooked, work)
        numbered = enumerate(hooked.after, start=len(hooked.stages))
        run_late(run, rows, numbered, to, outcome.error, partial(_run_stage, run, rows))
        if run.problems and to is JobStatus.SUCCEEDED:
            _write_patiently(run, lambda: record_problems(run))
        return to, outcome


def _run_stages(
    run: Run, rows: StageRows, hooked: HookedStages, work: object
) -> tuple[JobStatus, JobOutcome]:
    """Run the stages in order, and on failure undo the ones that ran, last first."""
    ran: list[AnyStage] = []
    title = ""
    stage: AnyStage | None = None
    try:
        for number, stage in enumerate(hooked.stages):
            title = stage.title
            run.check()
            if not stage.should_run(run, work):
                rows.skip(number, now())
                continue
            ran.append(stage)
            _run_stage(run, rows, number, stage, work)
    except BaseException as error:
        # Not only our own errors: a shutdown must clean up too. An error during the clean-up
        # is not the reason why the job ends.
        reason = run.stop_reason or error
        refused = _refuses(reason, stage)
        result = result_of(reason, refused=refused)
        release_copy(run, rows, hooked, ran, result, partial(_run_stage, run, rows))
        _clean_up(run, ran, work)
        return _outcome_of(run, title, reason, refused=refused)
    return JobStatus.SUCCEEDED, JobOutcome()


def _run_stage(
    run: Run, rows: StageRows, number: int, stage: AnyStage, work: object = None
) -> None:
    run.stage, run.stage_number, run.step = stage.name, number, ""
    run.watched, run.metered = stage.watched, False
    run.activity += 1
    close_old_connections()
    rows.start(number, now())
    try:
        detail = stage.run(run, work)
        # A stage can take hours: the database may have been restarted meanwhile.
        close_old_connections()
    except BaseException as error:
        to = StageStatus.REFUSED if _refuses(error, stage) else StageStatus.FAILED
        # Should this fail too, the stage's own error counts; a job that ends closes its stages.
        problem = str(error) if isinstance(error, Tolerated) else ""
        with contextlib.suppress(Exception):
            rows.end(number, to, now(), problem)
        if problem:
            run.problems.append(problem)
            return
        raise
    # The stage has succeeded: an unreachable database must not undo that.
    _write_patiently(run, lambda: rows.end(number, StageStatus.SUCCEEDED, now(), detail))


def _clean_up(run: Run, ran: Sequence[AnyStage], work: object) -> None:
    run.watched = False
    close_old_connections()
    for stage in reversed(ran):
        try:
            stage.clean_up(run, work)
        except (SystemExit, KeyboardInterrupt) as exc:
            # Shut down during the clean-up: the other stages still clean up, and the outcome is
            # still written.
            run.shutdown = exc if isinstance(exc, SystemExit) else SystemExit(130)
        except Exception as exc:
            # Leftovers are marked on the row, and the tick retries.
            logger.exception(
                "%s: clean-up of %s failed",
                run.job,
                stage.title,
                extra={"action": "clean_up_failed", "job_id": run.job.pk},
            )
            run.log(stage.name, f"clean-up failed: {exc}", LogLevel.WARNING)


def _refuses(error: BaseException, stage: AnyStage | None) -> bool:
    """Whether the job is refused rather than failed: nothing was changed before the error."""
    return isinstance(error, Refused | BadInput) and stage is not None and stage.may_refuse


def _outcome_of(
    run: Run, stage: str, error: BaseException, *, refused: bool = False
) -> tuple[JobStatus, JobOutcome]:
    if isinstance(error, CancelRequested | KeyboardInterrupt):
        run.log("mooring", "cancelled on request")
        return JobStatus.CANCELLED, JobOutcome(reason="cancelled on request", failed_stage=stage)
    if isinstance(error, NoLongerNeeded):
        run.log("mooring", f"no longer needed: {error}")
        return JobStatus.CANCELLED, JobOutcome(reason=str(error), failed_stage=stage)
    if isinstance(error, SystemExit):
        run.shutdown = error
        text = f"{stage} failed: the worker was shut down"
        run.log("mooring", text, LogLevel.ERROR)
        run.requests_again = run.requeues and settings.ON_SHUTDOWN == REQUEUE
        hint = "It was requested again as a new job."
        if not run.requests_again:
            hint = _how_to_go_on(run.job)
        return JobStatus.FAILED, JobOutcome(error=text, hint=hint, failed_stage=stage)
    if isinstance(error, LeaseLost):
        logger.warning(
            "%s: lease lost: %s",
            run.job,
            error,
            extra={"action": "lease_lost", "job_id": run.job.pk},
        )
        return JobStatus.LOST, JobOutcome(reason=str(error))
    if refused and isinstance(error, MooringError):
        text, hint, to = f"{stage} refused: {error}", error.hint, JobStatus.REFUSED
    else:
        (text, hint), to = _describe_failure(run, stage, error), JobStatus.FAILED
    run.log("mooring", text, LogLevel.ERROR)
    return to, JobOutcome(error=text, hint=hint, failed_stage=stage)


def _how_to_go_on(job: Job) -> str:
    hint = "Start it again."
    # It may be away, too; the outcome is recorded once it is back.
    with contextlib.suppress(Error):
        kept = KeptRestore.objects.filter(job=job).first()
        hint = kept.how_to_continue if kept is not None else hint
    return hint


def _describe_failure(run: Run, stage: str, error: BaseException) -> tuple[str, str]:
    """Return what failed and what to do; log the details that people are not shown."""
    if isinstance(error, MooringError):
        return f"{stage} failed: {error}", error.hint
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        text = f"{stage} failed: {where}{error.strerror or error}"
        hint = "Check the system log of the host, then start the job again."
    elif isinstance(error, OperationalError | InterfaceError):
        logger.warning(
            "%s: %s failed: %s",
            run.job,
            stage,
            error,
            extra={"action": "database_unreachable", "job_id": run.job.pk},
        )
        text = f"{stage} failed: Mooring's database could not be reached"
        hint = "Check that Mooring's database is running, then start the job again."
    else:
        logger.error(
            "%s: %s failed",
            run.job,
            stage,
            exc_info=error,
            extra={"action": "stage_crashed", "job_id": run.job.pk},
        )
        text = f"{stage} failed: unexpected {type(error).__name__}"
        hint = "This is a bug in Mooring: the worker's log has the details."
    return text, hint


def _settle(run: Run, to: JobStatus, outcome: JobOutcome) -> None:
    """Record the outcome. A run that lost its lease records nothing.

    An unreachable database is retried for as long as the lease lasts, so that hours of work
    are not lost to a short outage.
    """
    if to is JobStatus.LOST:
        return
    if _write_patiently(run, lambda: _end(run, to, outcome)):
        logger.info("%s %s", run.job, to, extra={"action": "job_ended", "job_id": run.job.pk})


def _end(run: Run, to: JobStatus, outcome: JobOutcome) -> bool:
    """End the job; one whose worker was shut down is requested again in the same transaction.

    Otherwise the tick could plan a retry of its own in between.
    """
    # Its own row: what is rolled back and written once more must begin with the old status.
    job = copy.copy(run.job)
    with transaction.atomic():
        ended = end(job, to, now=now(), outcome=outcome, actor=job.worker)
        if ended and run.requests_again:
            request_again(job)
    if ended:
        run.job.refresh_from_db()
    return ended


def _write_patiently(run: Run, write: Callable[[], T]) -> T:
    """Retry a write until the database is reachable; raise its error when the lease is over."""
    deadline = time.monotonic() + settings.LEASE_SECONDS
    while True:
        try:
            return write()
        except Error as exc:
            if time.monotonic() > deadline:
                raise
            logger.warning(
                "%s: rows not written, retrying: %s",
                run.job,
                exc,
                extra={"action": "write_retried", "job_id": run.job.pk},
            )
            connection.close()
            time.sleep(WRITE_RETRY_SECONDS)
