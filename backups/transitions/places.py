"""How does a job get a place under every limit, and give them back?

Both happen inside the transaction that moves the job: a slot is held exactly as long as its
job runs. A unique key on (resource, number) decides between claimers, on any database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from backups.models import Job, JobSlot
from backups.states import JobStatus
from backups.transitions.limits import Limit

# How long a job that was turned away keeps its place in the queue without trying again. A job
# whose workers are all gone must not hold up the others for ever.
PLACE_KEPT = timedelta(seconds=90)


class NoTurn(Exception):
    """A limit is reached, or others were here first."""

    def __init__(self, resource: str) -> None:
        super().__init__(resource)
        self.resource = resource


def take_slots(job: Job, limits: Sequence[Limit], now: datetime) -> None:
    """Take one slot under each limit, or raise NoTurn. The caller's transaction undoes the rest."""
    for limit in limits:
        taken = set(
            JobSlot.objects.filter(resource=limit.resource).values_list("number", flat=True)
        )
        # Counted as well as numbered: after a limit was lowered, high numbers may be held.
        free = limit.most - len(taken)
        if free <= len(_ahead(job, limit, now)) or not _take_one(job, limit, taken):
            raise NoTurn(limit.resource)


def free_slots(job: Job) -> None:
    """Give back whatever ``job`` holds."""
    JobSlot.objects.filter(job=job).delete()


def _ahead(job: Job, limit: Limit, now: datetime) -> list[int]:
    """Return older jobs that were turned away under this very limit and still try."""
    waiting = Job.objects.filter(
        status=JobStatus.PENDING,
        cancel_requested=False,
        waits_for=limit.resource,
        tried_at__gt=now - PLACE_KEPT,
        pk__lt=job.pk,
    )
    return list(waiting.values_list("pk", flat=True)[: limit.most])


def _take_one(job: Job, limit: Limit, taken: set[int]) -> bool:
    for number in range(1, limit.most + 1):
        if number in taken:
            continue
        slot = JobSlot(job=job, resource=limit.resource, number=number)
        # Another claimer may take it in this moment: then nothing is inserted, and no error
        # spoils the transaction. PostgreSQL waits here until that claim is decided.
        JobSlot.objects.bulk_create([slot], ignore_conflicts=True)
        if JobSlot.objects.filter(resource=limit.resource, number=number, job=job).exists():
            return True
    return False
