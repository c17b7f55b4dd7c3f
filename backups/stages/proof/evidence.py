"""How does what was found become evidence on a copy?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils.timezone import now

from backups.exceptions import ArchiveError, EngineError, RepositoryError
from backups.models import BackupCopy, Evidence
from backups.running.run import Run
from backups.transitions.jobs import own


def record(
    run: Run,
    copy: BackupCopy,
    *,
    passed: bool,
    report: Mapping[str, Any],
    recovery_time: timedelta | None = None,
) -> None:
    """Write evidence; LeaseLost when the job is no longer this run's to speak for."""
    with transaction.atomic():
        # First, and as the lock: a run that lost its lease has nothing to say.
        own(run.job, run.token, progress_at=now())
        Evidence.objects.create(
            copy=copy,
            job=run.job,
            operation=run.job.operation,
            passed=passed,
            manifest_digest=copy.manifest_digest,
            recovery_time=recovery_time,
            report=report,
        )


@contextmanager
def failing_counts(run: Run, copy: BackupCopy, stage: str) -> Iterator[None]:
    """Record a failure that speaks against the copy, and let it go on.

    A full scratch disk or a cancelled job says nothing of the backup, so it is no evidence.
    """
    try:
        yield
    except (ArchiveError, EngineError, RepositoryError) as error:
        if run.stop_reason is None:
            record(run, copy, passed=False, report={"stage": stage, "error": str(error)})
        raise
