"""Jobs whose workers were killed, and the rows of their hooks."""

from __future__ import annotations

import socket
from collections.abc import Callable

from django.utils.timezone import now

from backups.executor.leftovers import lose_expired
from backups.models import HookRun, Instance, Job
from backups.transitions.jobs import claim


def lost_job(orders: Instance, reach: Callable[[Job], None]) -> Job:
    """Return a job whose worker was killed where ``reach`` left it."""
    job = Job.objects.create(operation="backup", instance=orders, kind="full", engine="fake")
    assert claim(job, worker=f"{socket.gethostname()}:1", exclusive_key="a", now=now())
    reach(job)
    Job.objects.filter(pk=job.pk).update(lease_expires_at=now())
    assert lose_expired(now()) == 1
    return job


def row(job: Job, position: int, name: str, when: str, **columns: object) -> None:
    host = socket.gethostname()
    HookRun.objects.create(
        job=job, position=position, name=name, when=when, host=host, open=True, **columns
    )


def rows_of(job: Job) -> list[tuple[str, bool, int | None, str]]:
    return [(row.name, row.open, row.exit_code, row.problem) for row in job.hook_runs.all()]
