"""How is a job requested? Everything about it is checked before its row is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.timezone import now

from backups import engines
from backups.activity import current_actor, record
from backups.engines.mariadb_backup import MariadbOptions
from backups.exceptions import BadInput, Refused
from backups.jobs.backup_options import backup_parameters
from backups.jobs.destinations import default_destinations
from backups.jobs.wake import wake as wake_job
from backups.models import Backup, BackupCopy, Instance, Job, KeptRestore, Occurrence, Repository
from backups.models.activity import Verb
from backups.models.catalog import Origin
from backups.parameters import (
    RELAY_LOGS,
    Parameters,
    RestoreParameters,
    VerifyParameters,
    default_parameters,
)
from backups.programs.compatibility import MARIADB_BACKUP
from backups.states import (
    ACTIVE_JOB_STATUSES,
    AUTO,
    CHOSEN_KINDS,
    OPEN_OCCURRENCE_STATUSES,
    BackupKind,
    CopyStatus,
    OccurrenceStatus,
    Operation,
    WaitReason,
)
from backups.table_names.choice import TableChoice
from backups.transitions.jobs import record_note
from backups.transitions.occurrences import move_occurrence

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# What fits a job's exclusive key.
LONGEST_TARGET = 400
# Parameters of a job that goes on with a kept folder.
_OF_FOLDER = ("continues", "mark")


def create_backup_job(
    instance: Instance,
    *,
    kind: str = BackupKind.FULL,
    repositories: Sequence[Repository] | None = None,
    save_foreign_tables: bool | None = None,
    choice: TableChoice | None = None,
    incremental: bool = False,
    optimistic: MariadbOptions | None = None,
    requested_by: User | None = None,
    wake: bool = True,
) -> Job:
    """Request a backup; without repositories, to where the instance's backups usually go.

    With AUTO instead of a kind it is decided when it runs whether a full one is due.
    ``save_foreign_tables`` None leaves it to the instance. ``choice`` has the tables of a partial
    backup, which with ``incremental`` is based on the newest one of the same patterns.
    ``optimistic`` are the options of such a backup; None takes another one.
    """
    refuse_unfit_kind(instance, kind)
    refuse_unfit_choice(kind, choice)
    if not instance.enabled:
        raise Refused(f"instance {instance.name} is disabled", hint="Enable the instance first.")
    _refuse_second(instance)
    repositories = repositories or default_destinations(instance, kind).repositories
    refuse_unfit(repositories)
    job = Job(
        operation=Operation.BACKUP,
        instance=instance,
        kind=first_kind(kind),
        requested_kind=kind,
        engine=instance.engine,
        parameters=backup_parameters(
            instance, save_foreign_tables, choice, optimistic, incremental=incremental
        ).write(),
    )
    return _create(job, requested_by, wake, repositories)


def _refuse_second(instance: Instance) -> None:
    """Raise Refused while a backup of the instance is queued or running."""
    if Job.objects.filter(
        instance=instance,
        origin=Origin.MANAGED,
        operation=Operation.BACKUP,
        status__in=ACTIVE_JOB_STATUSES,
    ).exists():
        raise Refused(f"a backup of {instance.name} is already queued or running")


def refuse_unfit_choice(kind: str, choice: TableChoice | None) -> None:
    """Raise BadInput where a partial backup has no tables, or another kind has some."""
    if kind == BackupKind.PARTIAL and choice is None:
        raise BadInput(
            "a partial backup is of chosen tables, and none are named",
            hint="Include or exclude some, such as shop.* or shop.log_*.",
        )
    if kind != BackupKind.PARTIAL and choice is not None:
        raise BadInput(
            f"only a partial backup is of chosen tables, not {'an' if kind[:1] in 'ai' else 'a'} "
            f"{kind} one",
            hint="Request kind partial, or leave the tables out.",
        )


def create_copy_job(
    operation: Operation,
    copy: BackupCopy,
    *,
    requested_by: User | None = None,
    actor: str = "",
    parameters: Parameters | None = None,
    repositories: Sequence[Repository] = (),
    occurrence: Occurrence | None = None,
    wake: bool = True,
) -> Job:
    """Request an operation on a copy: verify, restore, restore test, consolidation or purge.

    ``repositories`` are those it works in, if not the one of the copy. ``occurrence`` is the
    planned run that it is an attempt at.
    """
    backup = copy.backup
    if copy.status == CopyStatus.PURGED:
        raise Refused(f"the copy of {backup.label} in {copy.repository} was purged")
    if copy.status == CopyStatus.EXPIRED and operation is not Operation.PURGE:
        raise Refused(f"{backup.label} is being purged: {copy.expire_reason}")
    if copy.repository.read_only and operation is Operation.PURGE:
        raise Refused(
            f"{copy} is in an exported file, of which nothing is deleted",
            hint="Delete the file itself once nobody needs it.",
        )
    _refuse_pages(copy, parameters)
    job = Job(
        operation=operation,
        instance=backup.instance,
        backup=backup,
        copy=copy,
        kind=backup.kind,
        engine=backup.engine,
        parameters=(parameters or default_parameters(operation)).write(),
        occurrence=occurrence,
    )
    if occurrence is not None:
        actor = f"schedule {occurrence.schedule.name}"
    return _create(job, requested_by, wake, repositories or [copy.repository], actor)


def _refuse_pages(copy: BackupCopy, parameters: Parameters | None) -> None:
    asked = isinstance(parameters, VerifyParameters) and parameters.pages
    if asked and copy.repository.is_sequential:
        raise BadInput(
            f"pages cannot be checked in {copy.repository}: its media are read from the beginning",
            hint="Verify without pages; a restore test has the server check every table.",
        )


def create_restore_job(
    copy: BackupCopy,
    target: Path,
    *,
    raw: bool = False,
    no_start: bool = False,
    owner: str = "",
    mysqld: str = "",
    replay: Mapping[str, Any] | None = None,
    replay_by: str = "",
    requested_by: User | None = None,
    wake: bool = True,
) -> Job:
    """Request a restore into ``target``, a folder of the worker's host.

    ``replay``: the parameters that say up to where archived binlogs are replayed. Any: their types.
    """
    if replay and raw:
        raise BadInput("binlogs cannot be replayed onto files that are not prepared")
    refuse_way(copy.backup, replay_by, replays=bool(replay))
    if not target.is_absolute():
        raise BadInput(f"target {target} is not an absolute path")
    if len(str(target)) > LONGEST_TARGET:
        raise BadInput(f"target {target} is longer than {LONGEST_TARGET} characters")
    return create_copy_job(
        Operation.RESTORE,
        copy,
        parameters=RestoreParameters(
            target,
            raw=raw,
            no_start=no_start,
            owner=owner,
            mysqld=mysqld,
            replay_by=replay_by or None,
            **(replay or {}),
        ),
        requested_by=requested_by,
        wake=wake,
    )


def refuse_way(backup: Backup, replay_by: str, *, replays: bool) -> None:
    """Raise BadInput where binlogs cannot be replayed in a way; blank is the usual one."""
    if replays and backup.kind in CHOSEN_KINDS:
        raise BadInput(
            f"binlogs cannot be replayed onto {backup.label}: it has chosen tables only, and they "
            "change others too",
            hint="Restore it as it is, or replay onto a full backup.",
        )
    if not replay_by:
        return
    if replay_by != RELAY_LOGS:
        raise BadInput(f"{replay_by!r} is no way to replay", hint=f"There is {RELAY_LOGS}.")
    if not replays:
        raise BadInput(
            "nothing is to be replayed by relay logs", hint="Say up to where, with --until."
        )
    if backup.engine == MARIADB_BACKUP:
        raise BadInput(
            "MariaDB is not replayed by relay logs: its parallel workers crash on a binlog in the "
            "place of one, and it does not stop at the end of the last",
            hint="Leave the option out: Mooring is then the source of the replay.",
        )


def request_again(job: Job) -> Job | None:
    """Request a job again whose worker was shut down; None if it was to be cancelled.

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
        requested_kind=job.requested_kind,
        kind_cause=job.kind_cause,
        kind_reason=job.kind_reason,
        engine=job.engine,
        parameters=_parameters_again(job),
        origin=job.origin,
        occurrence=job.occurrence,
    )
    with transaction.atomic():
        _create(again, job.requested_by, True, list(job.repositories.all()))
        _kept_for(job).update(claimed_by=again)
        _hand_on(job, again)
    return again


def _kept_for(job: Job) -> QuerySet[KeptRestore]:
    """Return the folder that a job has left, or was to go on with and has not taken over."""
    return KeptRestore.objects.filter(Q(job=job) | Q(claimed_by=job))


def _parameters_again(job: Job) -> dict[str, Any]:
    """Return what a job was asked; a restore goes on with the folder that is kept, if one is."""
    asked = {name: job.parameters[name] for name in job.parameters if name not in _OF_FOLDER}
    kept = _kept_for(job).first()
    return asked if kept is None else {**asked, "continues": kept.job_id, "mark": kept.mark}


def _hand_on(job: Job, again: Job) -> None:
    """Continue the planned run of a job with the new one."""
    planned = Occurrence.objects.filter(job=job, status__in=OPEN_OCCURRENCE_STATUSES).first()
    if planned is not None:
        move_occurrence(
            planned,
            OccurrenceStatus.DUE,
            now=now(),
            job=again,
            attempts=planned.attempts + 1,
            # The tick may have planned a retry: this is it.
            retry_at=None,
            reason=WaitReason.NONE,
            next_check_at=now(),
        )


def _create(
    job: Job,
    requested_by: User | None,
    wake_it: bool,
    repositories: Sequence[Repository],
    actor: str = "",
) -> Job:
    job.requested_by = requested_by
    # A job that runs in the foreground must not be started by the tick as well.
    job.woken_at = now()
    with transaction.atomic():
        job.save()
        job.repositories.set(repositories)
        requester = requested_by.get_username() if requested_by else current_actor().name
        record_note(job, actor or requester, "requested")
        record(Verb.REQUESTED, job, details=_request_details(job, repositories))
    if wake_it:
        transaction.on_commit(lambda: wake_job(job))
    return job


def _request_details(job: Job, repositories: Sequence[Repository]) -> dict[str, object]:
    return {
        **({"backup": job.backup.label} if job.backup else {"kind": job.requested_kind}),
        "repositories": [repository.name for repository in repositories],
        **job.parameters,
    }


def first_kind(requested: str) -> str:
    """Return the kind that a job has until it is known what is due."""
    return BackupKind.INCREMENTAL if requested == AUTO else requested


def refuse_unfit_kind(instance: Instance, kind: str) -> None:
    """Raise BadInput if the instance's engine does not take such backups."""
    engines.refuse_unfit_kind(instance.engine, first_kind(kind))


def refuse_unfit(repositories: Sequence[Repository]) -> None:
    """Raise if one backup cannot or must not be stored in all of these."""
    for repository in repositories:
        if repository.read_only:
            raise Refused(
                f"repository {repository} is an exported backup: nothing is stored there",
                hint="Name another repository.",
            )
        if not repository.enabled:
            raise Refused(
                f"repository {repository} is disabled", hint="Enable the repository first."
            )
    if len({repository.encrypted for repository in repositories}) > 1:
        raise BadInput(
            "the repositories of one backup must all be encrypted or all unencrypted",
            hint="Take two backups, or choose other repositories.",
        )
