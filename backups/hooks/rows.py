"""How are the hooks of a job kept, so that none is forgotten when its worker dies?

Rows of after hooks are written before the first hook runs, and are open until they have run or
will not. Every write of a worker names its fencing token.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

from django.db.models import QuerySet
from django.utils.timezone import now

from backups.exceptions import LeaseLost
from backups.hooks.definition import Hook, HookResult
from backups.models import HookRun, Job
from backups.states import LATE_HOOK_TIMES, JobStatus


def write_rows(job: Job, hooks: Sequence[Hook]) -> list[HookRun]:
    """Write a row for each hook of a job that begins."""
    host = socket.gethostname()
    return HookRun.objects.bulk_create(
        HookRun(
            job=job,
            position=position,
            name=hook.name,
            when=hook.when,
            host=host,
            open=hook.when in LATE_HOOK_TIMES,
        )
        for position, hook in enumerate(hooks)
    )


def note_start(row: HookRun, token: int) -> None:
    """Record that a hook starts; LeaseLost if another process owns its job."""
    if not _mine(row, token).update(open=True, started_at=now()):
        raise LeaseLost("another process owns the job's row")


def note_end(row: HookRun, token: int, result: HookResult) -> None:
    """Record how it ended; without effect after the lease is lost."""
    _mine(row, token).update(**ended_with(result))


def note_unable(row: HookRun, token: int, result: HookResult) -> None:
    """Record why an after hook could not begin: it stays open, and the tick tries it again."""
    _mine(row, token).update(**unable_with(row, result))


def note_left_out(row: HookRun, token: int) -> None:
    """Record that it will not run."""
    _mine(row, token).update(open=False)


def ended_with(result: HookResult) -> dict[str, object]:
    """Return the columns of a hook that has ended."""
    return {
        "open": False,
        "unable_since": None,
        "ended_at": now(),
        "exit_code": result.exit_code,
        "problem": result.problem,
    }


def unable_with(row: HookRun, result: HookResult) -> dict[str, object]:
    """Return the columns of a hook that could not begin."""
    return {
        "open": True,
        "unable_since": row.unable_since or now(),
        "problem": result.problem,
    }


def _mine(row: HookRun, token: int) -> QuerySet[HookRun]:
    return HookRun.objects.filter(
        pk=row.pk, job__fencing_token=token, job__status=JobStatus.RUNNING
    )
