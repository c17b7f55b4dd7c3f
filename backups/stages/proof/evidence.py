"""How is the result of a proof recorded as evidence on a copy?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils.timezone import now

from backups.access import checked_store, refuse_unusable
from backups.evidence_chain.append import append
from backups.exceptions import ArchiveError, EngineError, MooringError, RepositoryError
from backups.models import BackupCopy, Evidence
from backups.running.run import Run
from backups.states import Operation
from backups.transitions.jobs import own


def record(
    run: Run,
    copy: BackupCopy,
    *,
    passed: bool,
    report: Mapping[str, Any],
    recovery_time: timedelta | None = None,
    parts: Sequence[tuple[BackupCopy, bool, Mapping[str, Any]]] = (),
) -> None:
    """Write evidence; LeaseLost if this run no longer owns the job.

    ``parts`` are other copies that were read as well, whether each passed, and its report.
    """
    with transaction.atomic():
        # First, and as the lock: a run that has lost its lease writes no evidence.
        own(run.job, run.token, progress_at=now())
        evidence = Evidence.objects.create(
            copy=copy,
            job=run.job,
            operation=run.job.operation,
            passed=passed,
            manifest_digest=copy.manifest_digest,
            recovery_time=recovery_time,
            report=report,
        )
        append(evidence)
        for other, good, findings in parts:
            part = Evidence.objects.create(
                copy=other,
                operation=run.job.operation,
                passed=good,
                manifest_digest=other.manifest_digest,
                report=findings,
            )
            append(part)


def record_damage(run: Run, copy: BackupCopy, error: str, **more: str) -> None:
    """Write evidence against a copy that was read for another purpose than its proof."""
    with transaction.atomic():
        own(run.job, run.token, progress_at=now())
        evidence = Evidence.objects.create(
            copy=copy,
            operation=Operation.VERIFY,
            passed=False,
            manifest_digest=copy.manifest_digest,
            report={"error": error, **more},
        )
        append(evidence)


def is_of_copy(copy: BackupCopy, error: MooringError) -> bool:
    """Whether an error may be a fault of the copy: its repository is there, and answers."""
    try:
        if isinstance(error, RepositoryError):
            refuse_unusable(copy.repository, error)
        elif isinstance(error, ArchiveError):
            checked_store(copy.repository)
    except MooringError:
        return False
    return True


@contextmanager
def failure_as_evidence(run: Run, copy: BackupCopy, stage: str) -> Iterator[None]:
    """Record a failure as evidence against the copy, and re-raise it.

    A full scratch disk, a cancelled job or a repository that cannot be used proves nothing about
    the backup: it is no evidence.
    """
    try:
        yield
    except (ArchiveError, EngineError, RepositoryError) as error:
        if run.stop_reason is None and is_of_copy(copy, error):
            record(run, copy, passed=False, report={"stage": stage, "error": str(error)})
        raise
