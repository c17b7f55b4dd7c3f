"""How do the jobs that schedules want come to be: many at once, and in one transaction?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from backups.jobs.request import scheduled_parameters
from backups.jobs.wake import wake_all
from backups.models import Job, JobEvent, Occurrence, Repository
from backups.states import Operation


@dataclass(frozen=True, slots=True)
class Wanted:
    """A backup that a schedule wants now: the tick has checked that nothing is in its way."""

    occurrence: Occurrence
    repositories: Sequence[Repository]


def create_scheduled_jobs(wanted: Sequence[Wanted], *, now: datetime) -> list[Job]:
    """Ask for the backups of many occurrences at once, in the order given.

    Inside the caller's transaction, which also moves the occurrences: both are there, or
    neither. Workers are woken after its commit.
    """
    jobs = Job.objects.bulk_create(
        Job(
            operation=Operation.BACKUP,
            instance=each.occurrence.instance,
            occurrence=each.occurrence,
            kind=each.occurrence.schedule.kind,
            engine=each.occurrence.instance.engine,
            parameters=scheduled_parameters(each.occurrence).write(),
            requested_at=now,
            status_since=now,
            woken_at=now,
        )
        for each in wanted
    )
    Job.repositories.through.objects.bulk_create(
        Job.repositories.through(job_id=job.pk, repository_id=repository.pk)
        for job, each in zip(jobs, wanted, strict=True)
        for repository in each.repositories
    )
    JobEvent.objects.bulk_create(
        JobEvent(
            job=job,
            created_at=now,
            old_status=job.status,
            new_status=job.status,
            actor=f"schedule {each.occurrence.schedule.name}",
            reason="requested",
        )
        for job, each in zip(jobs, wanted, strict=True)
    )
    transaction.on_commit(lambda: wake_all(jobs))
    return jobs
