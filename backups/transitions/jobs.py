"""Who may write the status of a job? Only this module, by compare-and-swap."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from backups.activity import ITSELF, Actor, record
from backups.exceptions import BadInput, IllegalTransition, LeaseLost
from backups.models import (
    BackupCopy,
    Job,
    JobEvent,
    KeptRestore,
)
from backups.models.activity import Verb
from backups.models.clock import shared
from backups.parameters import RestoreParameters, RestoreTableParameters
from backups.states import (
    JOB_MOVES,
    TERMINAL_JOB_STATUSES,
    CopyStatus,
    JobStatus,
    Operation,
)
from backups.transitions.failure_key import failure_key
from backups.transitions.limits import Limit
from backups.transitions.occurrences import recheck_occurrences_of, recheck_protection
from backups.transitions.places import LimitReached, release_places, take_places
from backups.transitions.stages import close_stages
from backups.transitions.wanted_copies import note_attempt


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a job ended, for display."""

    reason: str = ""
    error: str = ""
    hint: str = ""
    failed_stage: str = ""


def claim(
    job: Job, *, worker: str, exclusive_key: str, now: datetime, limits: Sequence[Limit] = ()
) -> bool:
    """Make ``worker`` the owner of a pending job.

    Return False if another worker has claimed it, another job holds ``exclusive_key``, or a
    limit is reached: all are expected. The resource it waits for is then recorded on its row,
    and it is woken later.
    """
    if JobStatus.RUNNING not in JOB_MOVES[JobStatus(job.status)]:
        return False
    try:
        won = _try_claim(job, worker, exclusive_key, now, limits)
    except IntegrityError:
        return _note_wait(job, exclusive_key, now)
    except LimitReached as exc:
        return _note_wait(job, exc.resource, now)
    if won:
        job.refresh_from_db()
    return won


def _try_claim(
    job: Job, worker: str, exclusive_key: str, now: datetime, limits: Sequence[Limit]
) -> bool:
    with transaction.atomic():
        won = Job.objects.filter(
            pk=job.pk, status=JobStatus.PENDING, cancel_requested=False
        ).update(
            status=JobStatus.RUNNING,
            status_since=now,
            started_at=now,
            worker=worker,
            fencing_token=F("fencing_token") + 1,
            lease_expires_at=shared(now) + timedelta(seconds=settings.LEASE_SECONDS),
            exclusive_key=exclusive_key,
            waits_for="",
        )
        if won:
            take_places(job, limits, now)
            _record(job, JobStatus.PENDING, JobStatus.RUNNING, now, actor=worker)
            recheck_occurrences_of(job, now)
    return bool(won)


def _note_wait(job: Job, waits_for: str, now: datetime) -> bool:
    """Record the resource the job waits for, which also keeps its place in the queue."""
    Job.objects.filter(pk=job.pk, status=JobStatus.PENDING).update(
        waits_for=waits_for, tried_at=shared(now)
    )
    return False


def begin_observed(job: Job, *, now: datetime) -> Job:
    """Store an observed job as running since ``now``. It holds no lease."""
    job.status, job.status_since = JobStatus.RUNNING, now
    job.save(force_insert=True)
    _record(
        job,
        JobStatus.RUNNING,
        JobStatus.RUNNING,
        now,
        actor="",
        reason="read from the tool's history",
    )
    return job


def lose(job: Job, *, now: datetime) -> bool:
    """End a job whose worker's lease has expired; False if it was renewed after all."""
    kept = KeptRestore.objects.filter(job=job).first()
    outcome = JobOutcome(
        error=f"lost: worker {job.worker} stopped renewing its lease",
        hint=kept.how_to_continue
        if kept is not None
        else "Check the worker's log and host; the job can be started again at once.",
    )
    return end(job, JobStatus.LOST, now=now, outcome=outcome, lease_before=now)


def end(
    job: Job,
    to: JobStatus,
    *,
    now: datetime,
    outcome: JobOutcome | None = None,
    actor: str = "",
    lease_before: datetime | None = None,
) -> bool:
    """Move a job to a final status and release what it held.

    The fencing token must still be the one ``job`` was read with, and the lease must have
    expired by ``lease_before`` if that is given. Otherwise another process has moved the job or
    renewed its lease: return False and change nothing.
    """
    outcome = outcome or JobOutcome()
    old = JobStatus(job.status)
    if to not in JOB_MOVES[old] or to not in TERMINAL_JOB_STATUSES:
        raise IllegalTransition(f"{job}: {old} to {to}")

    with transaction.atomic():
        # Compare-and-swap: the WHERE clause is the lock.
        mine = Job.objects.filter(pk=job.pk, status=old, fencing_token=job.fencing_token)
        if lease_before is not None:
            mine = mine.filter(lease_expires_at__lte=shared(lease_before))
        if not mine.update(status=to, status_since=now, **_columns_at_end(job, outcome, now)):
            return False
        release_places(job)
        close_stages(job, to, now)
        recheck_occurrences_of(job, now)
        _record(job, old, to, now, actor=actor, reason=outcome.reason or outcome.error)
        _keep(job, to, outcome)
        if job.operation == Operation.COPY and to is not JobStatus.SUCCEEDED:
            note_attempt(job, outcome.error or outcome.reason, outcome.hint, now)
        recheck_protection(job.instance_id, now)
    job.refresh_from_db()
    return True


# Any: each column has a type of its own.
def _columns_at_end(job: Job, outcome: JobOutcome, now: datetime) -> dict[str, Any]:
    """Return the columns of an ended job beside its status."""
    return {
        "ended_at": now,
        # The token increases: a process with the old one can write nothing more.
        "fencing_token": F("fencing_token") + 1,
        "lease_expires_at": None,
        "exclusive_key": None,
        "error": outcome.error,
        "hint": outcome.hint,
        "failed_stage": outcome.failed_stage,
        "failure_key": failure_key(outcome.failed_stage, outcome.error, job.instance.name),
        "rate_bytes_per_s": None,
        "current_file": "",
    }


def own(job: Job, token: int, **values: object) -> None:
    """Write columns of a running job, or raise LeaseLost if the caller no longer owns it.

    Inside a transaction this is also the lock under which the caller may write more.
    """
    mine = Job.objects.filter(pk=job.pk, fencing_token=token, status=JobStatus.RUNNING)
    if not mine.update(**values):
        raise LeaseLost("another process owns the job's row")


def note_process(job: Job, token: int, group: int, started: float) -> None:
    """Record the process group that would be orphaned if the worker were killed."""
    own(job, token, process_group=group, process_started_at=started)


# Recorded as activity, also for jobs of schedules: data was read or deleted.
_KEPT = {
    Operation.RESTORE: Verb.RESTORED,
    Operation.RESTORE_TABLE: Verb.RESTORED,
    Operation.PURGE: Verb.PURGED,
}


def _keep(job: Job, to: JobStatus, outcome: JobOutcome) -> None:
    """Record the end of a restore or purge as activity."""
    verb = _KEPT.get(Operation(job.operation))
    if verb is None:
        return
    if verb is Verb.PURGED and to is JobStatus.SUCCEEDED and _is_stored(job):
        # It was only marked, which is recorded by itself.
        return
    requester = job.events.order_by("id").values_list("actor", flat=True).first()
    details = {"outcome": to.value, "backup": job.backup.label if job.backup else ""}
    if target := _target_of(job):
        details["target"] = target
    if outcome.error:
        details["error"] = outcome.error
    record(verb, job, actor=Actor(requester or ITSELF, ITSELF), details=details)


def _is_stored(job: Job) -> bool:
    return BackupCopy.objects.filter(jobs=job, status=CopyStatus.STORED).exists()


def _target_of(job: Job) -> str:
    """Return where a restore was to go; a row that cannot be read must be able to end too."""
    with suppress(BadInput):
        if job.operation == Operation.RESTORE:
            return str(RestoreParameters.of(job).target)
        if job.operation == Operation.RESTORE_TABLE:
            return RestoreTableParameters.of(job).target
    return ""


def record_note(job: Job, actor: str, reason: str) -> None:
    """Add an event without a change of status, such as a request or a cancel request."""
    status = JobStatus(job.status)
    _record(job, status, status, timezone.now(), actor=actor, reason=reason)


def _record(
    job: Job, old: JobStatus, new: JobStatus, now: datetime, *, actor: str, reason: str = ""
) -> None:
    JobEvent.objects.create(
        job=job, created_at=now, old_status=old, new_status=new, actor=actor, reason=reason
    )
