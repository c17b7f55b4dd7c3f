"""What is known of repositories, keys, queues and periodic tasks? In a fixed number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Max, Min

from alerts.facts.site import (
    CopyFaultFacts,
    KeyFacts,
    PeriodicTaskFacts,
    QueueFacts,
    RepositoryFacts,
)
from alerts.facts.subject import Facts, Subject
from backups.health.heartbeats import WORKER_TIMEOUT, is_stale
from backups.health.space import Sample, forecast_full
from backups.jobs.wake import QUEUES, celery_app
from backups.models import (
    BackupCopy,
    Job,
    Repository,
    RepositorySpace,
    TickHeartbeat,
    WorkerHeartbeat,
)
from backups.models.catalog import Origin
from backups.models.clock import shared
from backups.states import CopyStatus, JobStatus, Operation

# The period that a forecast is based on.
TREND = timedelta(days=7)


def load_site_facts(now: datetime) -> list[Facts]:
    """Read the facts that belong to no instance."""
    return [
        *_repositories(now),
        *_copy_faults(now),
        *_keys(now),
        *_queues(now),
        *_periodic_tasks(now),
    ]


def _repositories(now: datetime) -> Iterator[RepositoryFacts]:
    samples: defaultdict[int, list[RepositorySpace]] = defaultdict(list)
    rows = RepositorySpace.objects.filter(measured_at__gte=now - TREND, measured_at__lte=now)
    for row in rows.order_by("measured_at", "id"):
        samples[row.repository_id].append(row)
    for repository in Repository.objects.filter(enabled=True):
        measured = samples[repository.pk]
        newest = measured[-1] if measured else None
        trend = [
            Sample(row.measured_at, row.free_bytes)
            for row in measured
            if row.free_bytes is not None
        ]
        yield RepositoryFacts(
            now=now,
            subject=Subject(
                f"repository:{repository.pk}", repository.name, repository_id=repository.pk
            ),
            encrypted=repository.encrypted,
            measured_at=newest.measured_at if newest else None,
            free_bytes=newest.free_bytes if newest else None,
            total_bytes=newest.total_bytes if newest else None,
            full_at=forecast_full(trend),
            error=repository.fault or (newest.error if newest else ""),
            lock_fault=repository.lock_fault if repository.lock_mode else "",
        )


def _copy_faults(now: datetime) -> Iterator[CopyFaultFacts]:
    faulty = BackupCopy.objects.filter(status=CopyStatus.STORED).exclude(fault="")
    rows = faulty.order_by("repository_id", "fault").values_list(
        "repository_id", "repository__name", "fault"
    )
    # A lost disk is one alert, however many copies were on it.
    for repository, name, fault, copies, label, detail in rows.annotate(
        copies=Count("id"), label=Max("backup__label"), detail=Max("fault_detail")
    ):
        yield CopyFaultFacts(
            now=now,
            subject=Subject(f"repository:{repository}/{fault}", name, repository_id=repository),
            fault=fault,
            copies=copies,
            label=label,
            detail=detail,
        )


def _keys(now: datetime) -> Iterator[KeyFacts]:
    faulty = BackupCopy.objects.filter(status=CopyStatus.STORED).exclude(key_fault="")
    rows = faulty.order_by("repository_id", "key_id").values_list(
        "repository_id", "repository__name", "key_id"
    )
    # One missing key is one alert, however many backups it encrypts.
    for repository, name, key_id, copies, label, fault in rows.annotate(
        copies=Count("id"), label=Max("backup__label"), fault=Max("key_fault")
    ):
        yield KeyFacts(
            now=now,
            subject=Subject(
                f"repository:{repository}/key:{key_id}", name, repository_id=repository
            ),
            key_id=key_id,
            copies=copies,
            label=label,
            fault=fault,
        )


def _queues(now: datetime) -> Iterator[QueueFacts]:
    waiting = Job.objects.filter(status=JobStatus.PENDING, origin=Origin.MANAGED)
    counted = waiting.order_by().values_list("operation")
    jobs: defaultdict[str, list[tuple[int, datetime]]] = defaultdict(list)
    for operation, count, since in counted.annotate(Count("id"), Min("requested_at")):
        jobs[QUEUES[Operation(operation)]].append((count, since))
    alive_at = shared(now)
    beats = list(WorkerHeartbeat.objects.all())
    for queue in sorted({*QUEUES.values()}):
        heartbeats = [beat.seen_at for beat in beats if f",{queue}," in beat.queues]
        yield QueueFacts(
            now=now,
            subject=Subject(f"queue:{queue}", f"queue {queue}"),
            waiting=sum(count for count, _ in jobs[queue]),
            waiting_since=min((since for _, since in jobs[queue]), default=None),
            workers=sum(not is_stale(seen_at, alive_at, WORKER_TIMEOUT) for seen_at in heartbeats),
            seen_at=max(heartbeats, default=None),
        )


def _periodic_tasks(now: datetime) -> Iterator[PeriodicTaskFacts]:
    """Yield the periodic tasks in the beat schedule; removed ones are ignored."""
    planned: dict[str, timedelta] = {}
    for name, entry in celery_app().conf.beat_schedule.items():
        if isinstance(entry["schedule"], int | float):
            planned[name] = timedelta(seconds=entry["schedule"])
    now = shared(now)
    for beat in TickHeartbeat.objects.filter(name__in=list(planned)):
        yield PeriodicTaskFacts(
            now=now,
            subject=Subject(f"task:{beat.name}", f"task {beat.name}", cause="scheduler"),
            every=planned[beat.name],
            started_at=beat.started_at,
            finished_at=beat.finished_at,
            error=beat.error,
        )
