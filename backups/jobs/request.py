"""How does a job come to be: what is asked for, checked before anything runs, and woken?"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from backups import engines
from backups.activity import current_actor, record
from backups.engines import engine_named
from backups.engines.clone import CloneOptions
from backups.exceptions import BadInput, Refused
from backups.models import Backup, BackupCopy, Instance, Job, JobEvent, Occurrence, Repository
from backups.models.activity import Verb
from backups.models.catalog import Origin
from backups.parameters import (
    BackupParameters,
    Parameters,
    RestoreParameters,
    default_parameters,
)
from backups.states import (
    ACTIVE_JOB_STATUSES,
    OPEN_OCCURRENCE_STATUSES,
    BackupKind,
    CopyStatus,
    JobStatus,
    OccurrenceStatus,
    Operation,
    WaitReason,
)
from backups.transitions.jobs import Outcome, end, move_occurrence
from backups.typed_json import read_fields

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

QUEUES: Mapping[Operation, str] = {
    Operation.BACKUP: "copy",
    Operation.RESTORE: "transfer",
    Operation.VERIFY: "transfer",
    Operation.RESTORE_TEST: "transfer",
    Operation.PURGE: "transfer",
}

# More than can begin when one job ends; the tick wakes the others.
MOST_WOKEN = 20
# What fits a job's exclusive key.
LONGEST_TARGET = 400


def create_backup_job(
    instance: Instance,
    *,
    kind: str = BackupKind.FULL,
    repositories: Sequence[Repository] | None = None,
    save_foreign_tables: bool | None = None,
    requested_by: User | None = None,
    wake: bool = True,
) -> Job:
    """Ask for a backup; without repositories, into the only enabled one.

    ``save_foreign_tables`` None leaves it to the instance.
    """
    refuse_unfit_kind(instance, kind)
    if not instance.enabled:
        raise Refused(f"{instance.name} is disabled", hint="Enable the instance first.")
    if Job.objects.filter(
        instance=instance,
        origin=Origin.MANAGED,
        operation=Operation.BACKUP,
        status__in=ACTIVE_JOB_STATUSES,
    ).exists():
        raise Refused(f"a backup of {instance.name} is already waiting or running")
    repositories = repositories or [only_repository()]
    refuse_unfit(repositories)
    job = Job(
        operation=Operation.BACKUP,
        instance=instance,
        kind=kind,
        engine=instance.engine,
        parameters=backup_parameters(instance, save_foreign_tables).write(),
    )
    return _create(job, requested_by, wake, repositories)


def backup_parameters(instance: Instance, save_foreign_tables: bool | None) -> BackupParameters:
    """Return what a backup job of the instance is asked for beyond its columns."""
    options = engine_named(instance.engine).options
    if issubclass(options, CloneOptions):
        asked = instance.save_foreign_tables if save_foreign_tables is None else save_foreign_tables
        return BackupParameters(options(save_foreign_tables=asked))
    if save_foreign_tables:
        raise BadInput(
            f"engine {instance.engine} has nothing to save besides",
            hint="It copies the tables of every storage engine.",
        )
    return BackupParameters(options())


def scheduled_parameters(occurrence: Occurrence) -> BackupParameters:
    """Return what a planned backup is asked for: as its instance is set, then its schedule.

    A schedule may cover instances of several engines: each takes the options that it knows.
    """
    usual = backup_parameters(occurrence.instance, None)
    known = {each.name for each in fields(usual.options)}
    chosen = {name: value for name, value in occurrence.schedule.options.items() if name in known}
    return BackupParameters(read_fields(type(usual.options), usual.write() | chosen))


def create_copy_job(
    operation: Operation,
    copy: BackupCopy,
    *,
    requested_by: User | None = None,
    actor: str = "",
    parameters: Parameters | None = None,
    wake: bool = True,
) -> Job:
    """Ask for something to be done with a copy: verify, restore, restore test or purge."""
    backup = copy.backup
    if copy.status == CopyStatus.PURGED:
        raise Refused(f"the copy of {backup.label} in {copy.repository} was purged")
    if copy.status == CopyStatus.EXPIRED and operation is not Operation.PURGE:
        raise Refused(f"{backup.label} is being purged: {copy.expire_reason}")
    job = Job(
        operation=operation,
        instance=backup.instance,
        backup=backup,
        copy=copy,
        kind=backup.kind,
        engine=backup.engine,
        parameters=(parameters or default_parameters(operation)).write(),
    )
    return _create(job, requested_by, wake, [copy.repository], actor)


def create_restore_job(
    copy: BackupCopy,
    target: Path,
    *,
    raw: bool = False,
    owner: str = "",
    mysqld: str = "",
    requested_by: User | None = None,
    wake: bool = True,
) -> Job:
    """Ask for a backup to be restored into ``target``, a folder of the worker's host."""
    if not target.is_absolute():
        raise BadInput(f"target {target} is not an absolute path")
    if len(str(target)) > LONGEST_TARGET:
        raise BadInput(f"target {target} is longer than {LONGEST_TARGET} characters")
    return create_copy_job(
        Operation.RESTORE,
        copy,
        parameters=RestoreParameters(target, raw=raw, owner=owner, mysqld=mysqld),
        requested_by=requested_by,
        wake=wake,
    )


def ask_again(job: Job) -> Job | None:
    """Ask for the same once more, for a job whose worker was shut down; None where it is moot.

    A job is one attempt: this is another one.
    """
    if Job.objects.filter(pk=job.pk, cancel_requested=True).exists():
        return None
    again = Job(
        operation=job.operation,
        instance=job.instance,
        backup=job.backup,
        copy=job.copy,
        kind=job.kind,
        engine=job.engine,
        parameters=job.parameters,
        origin=job.origin,
        occurrence=job.occurrence,
    )
    with transaction.atomic():
        _create(again, job.requested_by, True, list(job.repositories.all()))
        _hand_on(job, again)
    return again


def _hand_on(job: Job, again: Job) -> None:
    """Let the planned run that a job was for go on with the new one."""
    planned = Occurrence.objects.filter(job=job, status__in=OPEN_OCCURRENCE_STATUSES).first()
    if planned is not None:
        move_occurrence(
            planned,
            OccurrenceStatus.DUE,
            now=now(),
            job=again,
            attempts=planned.attempts + 1,
            # A tick may have planned a retry: this is it.
            retry_at=None,
            reason=WaitReason.NONE,
            next_look_at=now(),
        )


def request_cancel(job: Job, *, actor: str) -> bool:
    """Ask for a job to end. Return False when it had ended already.

    A pending job ends at once. A running one is ended by its worker, which looks every
    second, and is cancelled when its processes, locks and partial bytes are gone.
    """
    if job.origin == Origin.OBSERVED:
        raise Refused(f"{job} was started by somebody else", hint="Stop it where it was started.")
    asked = Job.objects.filter(pk=job.pk, status__in=ACTIVE_JOB_STATUSES)
    with transaction.atomic():
        if not asked.update(cancel_requested=True):
            return False
        record(Verb.CANCELLED, job)
    job.refresh_from_db()
    if job.status == JobStatus.PENDING:
        reason = f"cancelled by {actor} before it started"
        end(job, JobStatus.CANCELLED, now=now(), outcome=Outcome(reason=reason), actor=actor)
    else:
        _record(job, actor, "cancel requested")
    return True


def named_copy(label: str, repository: str | None = None) -> BackupCopy:
    """Load the copy to work on; BadInput says whether the backup or the copy is missing."""
    backup = Backup.objects.filter(label=label).first()
    if backup is None:
        raise BadInput(f"there is no backup {label}", hint="listbackups shows the labels.")
    copies = backup.copies.select_related("repository", "backup__instance")
    if repository is not None:
        copies = copies.filter(repository__name=repository)
    copy = copies.exclude(status=CopyStatus.PURGED).order_by("-status", "id").first()
    if copy is None:
        where = f" in {repository}" if repository else ""
        raise BadInput(f"{label} has no copy{where}: it was purged or never stored there")
    return copy


def wake(job: Job) -> None:
    """Send the message that makes a worker look at a job.

    A broker that is away loses nothing: the job waits in its row, and a tick wakes it.
    """
    from backups.tasks import run_job

    Job.objects.filter(pk=job.pk).update(woken_at=now())
    try:
        run_job.apply_async((job.pk,), queue=QUEUES[Operation(job.operation)])
    except OperationalError as exc:
        logger.warning("job %s waits: the broker is away: %s", job.pk, exc)


def wake_all(jobs: Sequence[Job]) -> None:
    """Wake many jobs whose rows say that they were woken; stop at once if the broker is away."""
    from backups.tasks import run_job

    try:
        with run_job.app.producer_or_acquire() as producer:
            for job in jobs:
                queue = QUEUES[Operation(job.operation)]
                run_job.apply_async((job.pk,), queue=queue, producer=producer)
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


def _create(
    job: Job,
    requested_by: User | None,
    wake_it: bool,
    repositories: Sequence[Repository],
    actor: str = "",
) -> Job:
    job.requested_by = requested_by
    # A job that runs in the foreground must not be started by a tick as well.
    job.woken_at = now()
    with transaction.atomic():
        job.save()
        job.repositories.set(repositories)
        asked_by = requested_by.get_username() if requested_by else current_actor().name
        _record(job, actor or asked_by, "requested")
        record(Verb.REQUESTED, job, details=_asked_for(job, repositories))
    if wake_it:
        transaction.on_commit(lambda: wake(job))
    return job


def _asked_for(job: Job, repositories: Sequence[Repository]) -> dict[str, object]:
    return {
        **({"backup": job.backup.label} if job.backup else {"kind": job.kind}),
        "repositories": [repository.name for repository in repositories],
        **job.parameters,
    }


def _record(job: Job, actor: str, reason: str) -> None:
    JobEvent.objects.create(
        job=job, old_status=job.status, new_status=job.status, actor=actor, reason=reason
    )


def refuse_unfit_kind(instance: Instance, kind: str) -> None:
    """Raise where the instance's engine takes no such backups."""
    engines.refuse_unfit_kind(instance.engine, kind)


def refuse_unfit(repositories: Sequence[Repository]) -> None:
    """Raise where one backup cannot, or must not, go into all of these."""
    for repository in repositories:
        if not repository.enabled:
            raise Refused(f"{repository} is disabled", hint="Enable the repository first.")
    if len({repository.encrypted for repository in repositories}) > 1:
        raise BadInput(
            "repositories of one backup must all be encrypted or all not",
            hint="Take two backups, or choose other repositories.",
        )


def only_repository() -> Repository:
    """Return the one repository there is to choose; BadInput where there is a choice, or none."""
    enabled = list(Repository.objects.filter(enabled=True)[:2])
    if len(enabled) != 1:
        raise BadInput(
            "name a repository: " + ("there are several" if enabled else "there is none yet"),
            hint="addrepository makes one, --repository names one.",
        )
    return enabled[0]
