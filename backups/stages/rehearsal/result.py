"""How is the result of a rehearsal recorded? Apart from the proofs of a backup.

What fails here says nothing against the backup: its restore test does. Nor does what passes: a
server of another series is no proof that the backup's own starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.utils.timezone import now

from backups.evidence_chain.append import append
from backups.exceptions import ArchiveError, EngineError, StageFailed
from backups.models import JobStage, Rehearsal
from backups.programs.compatibility import parse_version
from backups.programs.upgrade_path import server_name
from backups.running.run import Run
from backups.stages.restore.work import RestoreWork
from backups.states import StageStatus
from backups.transitions.jobs import own

# A full scratch disk, a repository that cannot be read or a missing key says nothing.
RESULTS = (ArchiveError, EngineError)


@contextmanager
def failure_of_rehearsal(run: Run, work: RestoreWork, stage: str) -> Iterator[None]:
    """Record a failure as the result of the rehearsal, and re-raise it.

    A cancelled job has no result.
    """
    try:
        yield
    except RESULTS as error:
        if run.stop_reason is None:
            record_rehearsal(run, work, failed_stage=stage, error=str(error))
        raise


def record_rehearsal(
    run: Run, work: RestoreWork, *, failed_stage: str = "", error: str = ""
) -> Rehearsal:
    """Write the result; LeaseLost if this run no longer owns the job."""
    if work.upgrade is None:
        raise StageFailed("the server program to upgrade to was not looked at")
    origin = parse_version(work.copy.backup.server_version)
    took = None
    if work.began_at is not None and work.answered_at is not None:
        took = work.answered_at - work.began_at
    with transaction.atomic():
        # First, and as the lock: a run that has lost its lease writes nothing.
        own(run.job, run.token, progress_at=now())
        rehearsal = Rehearsal.objects.create(
            instance=run.job.instance,
            copy=work.copy,
            job=run.job,
            manifest_digest=work.copy.manifest_digest,
            origin=server_name(work.upgrade.server.flavour, origin) if origin else "",
            upgraded_to=work.upgrade.name,
            program=work.upgrade.server.path,
            passed=not failed_stage,
            failed_stage=failed_stage,
            error=error,
            took=took,
            stages={name: length.total_seconds() for name, length in _lengths(run).items()},
            report={
                "tables": work.tables,
                "own_checks": [checked.as_json() for checked in work.own_checks],
            },
        )
        append(rehearsal)
        return rehearsal


def _lengths(run: Run) -> Mapping[str, timedelta]:
    """Return how long each stage that has ended took, by name."""
    rows = JobStage.objects.filter(
        job=run.job, status=StageStatus.SUCCEEDED, started_at__isnull=False
    )
    times = rows.values_list("name", "started_at", "ended_at").order_by("position")
    return {name: ended - started for name, started, ended in times if started and ended}
