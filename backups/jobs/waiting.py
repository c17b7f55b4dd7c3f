"""Why has a pending job not started, and how many are ahead of it?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Count

from backups.jobs.wake import QUEUES
from backups.models import Job, LimitPlace, Repository
from backups.states import JobStatus, Operation
from backups.transitions.limits import GLOBAL
from backups.units import format_count

NO_WORKER_YET = "waits for a worker"


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a pending job waits for, and its position in the queue."""

    reason: str
    # 1 is next.
    position: int

    def __str__(self) -> str:
        return f"{self.reason}; number {self.position} in the queue"


@dataclass(frozen=True, slots=True)
class _Pending:
    pk: int
    queue: str
    waits_for: str


def explain_waiting(jobs: Iterable[Job]) -> dict[int, Waiting]:
    """Explain each pending job of ``jobs``: at most four queries, none if none is pending."""
    wanted = {job.pk for job in jobs if job.status == JobStatus.PENDING}
    if not wanted:
        return {}
    rows = Job.objects.filter(status=JobStatus.PENDING).order_by("id")
    pending = [
        _Pending(pk, QUEUES[Operation(operation)], waits_for)
        for pk, operation, waits_for in rows.values_list("pk", "operation", "waits_for")
    ]
    holders = _Holders.load(
        {pending_job.waits_for for pending_job in pending if pending_job.pk in wanted} - {""}
    )
    explained: dict[int, Waiting] = {}
    # Jobs blocked by the same resource queue for it; the others for a worker.
    before: Counter[tuple[str, str]] = Counter()
    for pending_job in pending:
        line = (
            ("", pending_job.waits_for) if pending_job.waits_for else ("queue", pending_job.queue)
        )
        if pending_job.pk in wanted:
            explained[pending_job.pk] = Waiting(
                holders.reason(pending_job.waits_for, before[line]), before[line] + 1
            )
        before[line] += 1
    return explained


@dataclass(frozen=True, slots=True)
class _Holders:
    """The jobs that hold the resources others wait for."""

    places: Mapping[str, int]
    exclusive: Mapping[str, Job]
    repositories: Mapping[str, str]

    @classmethod
    def load(cls, resources: set[str]) -> _Holders:
        if not resources:
            return cls({}, {}, {})
        places = LimitPlace.objects.filter(resource__in=resources).values("resource")
        counts = {row["resource"]: row["held"] for row in places.annotate(held=Count("id"))}
        jobs = Job.objects.filter(exclusive_key__in=resources).select_related("instance")
        ids = [r.partition(":")[2] for r in resources if r.startswith("repository:")]
        names = Repository.objects.filter(pk__in=ids)
        return cls(
            counts,
            {str(job.exclusive_key): job for job in jobs},
            {f"repository:{row.pk}": row.name for row in names},
        )

    def reason(self, resource: str, older: int) -> str:
        if not resource:
            return NO_WORKER_YET
        if holder := self.exclusive.get(resource):
            return f"waits for {holder}"
        count = self.places.get(resource, 0) + older
        if not count:
            # The resource is free again: the job is about to be woken.
            return NO_WORKER_YET
        return f"waits for {format_count(count, 'job')} ahead of it {self._place(resource)}"

    def _place(self, resource: str) -> str:
        kind, _, name = resource.partition(":")
        if resource == GLOBAL:
            return "under the limit of concurrent jobs"
        if kind == "repository":
            return f"on repository {self.repositories.get(resource, name)}"
        if kind == "host":
            return f"on host {name}"
        return "on the same instance, target or copy"
