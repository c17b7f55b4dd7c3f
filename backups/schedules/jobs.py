"""How are the jobs of schedules created: many at once, in one transaction?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from backups.jobs.backup_options import scheduled_parameters
from backups.jobs.request import first_kind
from backups.jobs.wake import wake_all
from backups.models import Job, JobEvent, Occurrence, Repository
from backups.states import BackupKind, KindCause, Operation


@dataclass(frozen=True, slots=True)
class PlannedJob:
    """A backup to start now: the tick has checked that nothing prevents it."""

    occurrence: Occurrence
    repositories: Sequence[Repository]
    # Why it takes a full backup instead of the planned kind; blank if it does not.
    full_because: str = ""

    def kind_values(self) -> dict[str, str]:
        """Return the columns of the job about its kind."""
        planned = self.occurrence.kind
        if not self.full_because:
            return {"kind": first_kind(planned), "requested_kind": planned}
        return {
            "kind": BackupKind.FULL,
            "requested_kind": planned,
            "kind_cause": KindCause.FULL_OVERDUE,
            "kind_reason": self.full_because,
        }


def create_scheduled_jobs(planned: Sequence[PlannedJob], *, now: datetime) -> list[Job]:
    """Create the backup jobs of many occurrences at once, in the given order.

    Part of the caller's transaction, which also moves the occurrences. Workers are woken after
    its commit.
    """
    jobs = Job.objects.bulk_create(
        Job(
            operation=Operation.BACKUP,
            instance=planned_job.occurrence.instance,
            occurrence=planned_job.occurrence,
            engine=planned_job.occurrence.instance.engine,
            parameters=scheduled_parameters(planned_job.occurrence).write(),
            requested_at=now,
            status_since=now,
            woken_at=now,
            **planned_job.kind_values(),
        )
        for planned_job in planned
    )
    Job.repositories.through.objects.bulk_create(
        Job.repositories.through(job_id=job.pk, repository_id=repository.pk)
        for job, plan in zip(jobs, planned, strict=True)
        for repository in plan.repositories
    )
    JobEvent.objects.bulk_create(
        JobEvent(
            job=job,
            created_at=now,
            old_status=job.status,
            new_status=job.status,
            actor=f"schedule {plan.occurrence.schedule.name}",
            reason="requested",
        )
        for job, plan in zip(jobs, planned, strict=True)
    )
    transaction.on_commit(lambda: wake_all(jobs))
    return jobs
