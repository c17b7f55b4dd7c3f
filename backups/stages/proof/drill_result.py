"""How is the result of a drill recorded: which moment was reached, and how fast?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.timezone import now

from backups.evidence_chain.append import append
from backups.exceptions import (
    ArchiveError,
    BinlogDamaged,
    EngineError,
    KeyUnavailable,
    Refused,
    RepositoryError,
    StageFailed,
)
from backups.models import Drill, JobStage
from backups.restores.recovery_time import APPLY, RECOVERY_STAGES
from backups.running.run import Run
from backups.stages.restore.work import RestoreWork
from backups.states import StageStatus
from backups.transitions.jobs import own

# A full scratch disk, or a host without a fitting program, says nothing about the archive.
EVIDENCE = (ArchiveError, BinlogDamaged, EngineError, KeyUnavailable, Refused, RepositoryError)


@contextmanager
def failure_of_drill(run: Run, work: RestoreWork, stage: str) -> Iterator[None]:
    """Record a failure as that of the recovery to the moment, and re-raise it.

    A cancelled job proves nothing.
    """
    try:
        yield
    except EVIDENCE as error:
        if run.stop_reason is None:
            record_drill(run, work, failed_stage=stage, error=str(error))
        raise


def record_drill(run: Run, work: RestoreWork, *, failed_stage: str = "", error: str = "") -> Drill:
    """Write the result; LeaseLost if this run no longer owns the job."""
    asked = work.test
    if asked is None or not (asked.point and asked.until and asked.range_from and asked.range_to):
        raise StageFailed("the job does not say which moment it goes to")
    lengths = _lengths(run)
    with transaction.atomic():
        # First, and as the lock: a run that has lost its lease writes nothing.
        own(run.job, run.token, progress_at=now())
        drill = Drill.objects.create(
            instance=run.job.instance,
            copy=work.copy,
            job=run.job,
            point=asked.point,
            moment=datetime.fromisoformat(asked.until),
            range_from=datetime.fromisoformat(asked.range_from),
            range_to=datetime.fromisoformat(asked.range_to),
            passed=not failed_stage,
            failed_stage=failed_stage,
            error=error,
            replay_time=lengths.get(APPLY),
            recovery_time=None if failed_stage else _recovery_time(lengths),
            stages={name: length.total_seconds() for name, length in lengths.items()},
            **_reached(work),
        )
        append(drill)
        return drill


def _reached(work: RestoreWork) -> Mapping[str, object]:
    """Return what was applied; nothing where the replay did not end."""
    if work.recovery is None:
        return {}
    stop = work.recovery.stop
    if work.replayed is None and work.recovery.served.stretches:
        return {}
    applied = work.replayed.passed.transactions if work.replayed is not None else 0
    return {
        "last_commit_at": stop.last_commit,
        "last_gtid": stop.last_gtid,
        "file": stop.file,
        "position": stop.offset,
        "transactions": applied,
        "replayed_bytes": work.recovery.bytes_total,
    }


def _lengths(run: Run) -> dict[str, timedelta]:
    """Return how long each stage that has ended took, by name."""
    rows = JobStage.objects.filter(
        job=run.job, status=StageStatus.SUCCEEDED, started_at__isnull=False
    )
    times = rows.values_list("name", "started_at", "ended_at").order_by("position")
    return {name: ended - started for name, started, ended in times if started and ended}


def _recovery_time(lengths: Mapping[str, timedelta]) -> timedelta:
    return sum((lengths.get(name, timedelta(0)) for name in RECOVERY_STAGES), timedelta(0))
