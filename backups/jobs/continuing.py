"""How does a job go on with the folder that another restore left, and how is it given up?

Whoever changes the row of a folder names what the row said before: of two at once, one wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F

from backups.activity import record
from backups.exceptions import Refused
from backups.jobs.request import create_copy_job, refuse_way
from backups.models import Job, KeptRestore
from backups.models.activity import Verb
from backups.parameters import REPLAY_PARAMETERS, RestoreParameters
from backups.states import Operation

if TYPE_CHECKING:
    from django.contrib.auth.models import User


def kept_folder(job: int) -> KeptRestore:
    """Return the kept folder of a job, or raise Refused."""
    rows = KeptRestore.objects.select_related("job__instance", "job__copy__backup", "claimed_by")
    kept = rows.filter(job=job).first()
    if kept is not None:
        return kept
    later = rows.filter(mark=_mark_of(job)).first()
    raise Refused(
        f"job {job} has no folder that is kept",
        hint=f"Its folder is job {later.job_id}'s by now."
        if later is not None
        else "Run removerestore without a number to see which jobs have one.",
    )


def _mark_of(job: int) -> int:
    """Return the mark of the folder that a job has worked on."""
    row = Job.objects.filter(pk=job, operation=Operation.RESTORE).first()
    return (RestoreParameters.of(row).mark if row is not None else None) or job


# Any: the parameters have types of their own.
def continue_restore(
    kept: KeptRestore,
    *,
    replay: Mapping[str, Any],
    changes: Mapping[str, Any] | None = None,
    requested_by: User | None = None,
    wake: bool = True,
) -> Job:
    """Request a job that goes on with a kept folder, or raise Refused.

    ``replay``: the parameters that say where it ends, and what is left out; ``changes``: further
    parameters that are others than those of the job that left it.
    """
    if kept.job.copy is None:
        raise Refused(f"the copy that {kept.job} has read is no longer in the catalog")
    # Any: the parameters have types of their own.
    other: dict[str, Any] = {name: replay.get(name) for name in REPLAY_PARAMETERS}
    other |= {**(changes or {}), "continues": kept.job_id, "mark": kept.mark}
    asked = replace(RestoreParameters.of(kept.job), **other)
    refuse_way(kept.job.copy.backup, asked.replay_by or "", replays=True)
    with transaction.atomic():
        job = create_copy_job(
            Operation.RESTORE,
            kept.job.copy,
            parameters=asked,
            requested_by=requested_by,
            wake=wake,
        )
        claim_folder_for(kept, job)
    return job


def claim_folder_for(kept: KeptRestore, job: Job) -> None:
    """Let nobody else go on with a folder while ``job`` has not ended, or raise Refused."""
    _refuse_at_work(kept)
    if not _same(kept).update(claimed_by=job):
        raise _at_work(kept)


def give_up(kept: KeptRestore) -> None:
    """Let a tick remove a folder, or raise Refused while a job works on it."""
    _refuse_at_work(kept)
    with transaction.atomic():
        # From here on the row is ours.
        if not _same(kept).update(target=F("target")):
            raise _at_work(kept)
        KeptRestore.objects.filter(pk=kept.pk).delete()
        record(Verb.DELETED, kept.job, details={"folder": kept.target})


def _same(kept: KeptRestore) -> Any:
    return KeptRestore.objects.filter(pk=kept.pk, job=kept.job, claimed_by=kept.claimed_by)


def _refuse_at_work(kept: KeptRestore) -> None:
    for job in (kept.job, kept.claimed_by):
        if job is not None and job.active:
            raise Refused(
                f"job {job.pk} works on {kept.target}",
                hint="Wait until it has ended, or cancel it.",
            )


def _at_work(kept: KeptRestore) -> Refused:
    return Refused(f"another job has just been requested for {kept.target}, or it is removed")
