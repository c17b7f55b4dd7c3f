"""How does a job take a place under every limit, and release them?

Both happen in the transaction that moves the job: a place is held exactly as long as its
job runs. A unique key on (resource, number) decides between claimers, on any database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from backups.models import Job, LimitPlace
from backups.models.clock import shared
from backups.states import JobStatus
from backups.transitions.limits import Limit

# How long a blocked job keeps its place in the queue without another attempt. A job whose
# workers are all down must not block the others for ever.
QUEUE_PLACE_KEPT = timedelta(seconds=90)


class LimitReached(Exception):
    """A limit is reached, or older jobs queue for it."""

    def __init__(self, resource: str) -> None:
        super().__init__(resource)
        self.resource = resource


def take_places(job: Job, limits: Sequence[Limit], now: datetime) -> None:
    """Take one place under each limit, or raise LimitReached; the caller then rolls back."""
    for limit in limits:
        taken = set(
            LimitPlace.objects.filter(resource=limit.resource).values_list("number", flat=True)
        )
        # Counted as well as numbered: after a limit is lowered, higher numbers may be held.
        free = limit.most - len(taken)
        if free <= len(_ahead(job, limit, now)) or not _take_one(job, limit, taken):
            raise LimitReached(limit.resource)


def release_places(job: Job) -> None:
    """Release every place ``job`` holds."""
    LimitPlace.objects.filter(job=job).delete()


def _ahead(job: Job, limit: Limit, now: datetime) -> list[int]:
    """Return older jobs that are blocked by this limit and still try."""
    waiting = Job.objects.filter(
        status=JobStatus.PENDING,
        cancel_requested=False,
        waits_for=limit.resource,
        tried_at__gt=shared(now) - QUEUE_PLACE_KEPT,
        pk__lt=job.pk,
    )
    return list(waiting.values_list("pk", flat=True)[: limit.most])


def _take_one(job: Job, limit: Limit, taken: set[int]) -> bool:
    for number in range(1, limit.most + 1):
        if number in taken:
            continue
        place = LimitPlace(job=job, resource=limit.resource, number=number)
        # If another claim takes it at the same moment, nothing is inserted and no error aborts
        # the transaction. PostgreSQL waits here until the other claim is decided.
        LimitPlace.objects.bulk_create([place], ignore_conflicts=True)
        if LimitPlace.objects.filter(resource=limit.resource, number=number, job=job).exists():
            return True
    return False
