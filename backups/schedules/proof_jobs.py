"""Which copy does a planned verify or restore test read, and which of its jobs had a result?

A result is evidence, or a drill's own record. A job that failed without one was stopped by its
host: no room, no server program, a lost worker. That says nothing of the copy.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from backups.catalog.evidence import without_faults
from backups.catalog.preferred import first_to_read
from backups.exceptions import Refused
from backups.health.usable import usable_copies, whole_copies
from backups.jobs.request import create_copy_job
from backups.models import Backup, BackupCopy, BackupSchedule, Evidence, Instance, Job, Occurrence
from backups.models.repository import RepositoryKind
from backups.parameters import VerifyParameters
from backups.restores.drills import WantedTest, create_restore_test_job
from backups.schedules.choosing import without_proof
from backups.states import (
    ACTIVE_JOB_STATUSES,
    PROOFS,
    DrillPoint,
    Operation,
    ProofChoice,
    ProofTarget,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# What a job has not done, in words.
NOT_DONE = {Operation.VERIFY: "not verified", Operation.RESTORE_TEST: "not drilled"}


def request_proof(occurrence: Occurrence) -> Job:
    """Request the job of a planned run; Refused where there is nothing to prove.

    Part of the caller's transaction, which also moves the occurrence.
    """
    schedule = occurrence.schedule
    return create_proof_job(
        schedule, occurrence.instance, occurrence=occurrence, backup=_followed(occurrence)
    )


def create_proof_job(
    schedule: BackupSchedule,
    instance: Instance,
    *,
    occurrence: Occurrence | None = None,
    backup: Backup | None = None,
    requested_by: User | None = None,
) -> Job:
    """Request what a schedule plans for an instance, or for one backup of it."""
    if occurrence is None and _is_proving(instance):
        raise Refused(f"a verify or a restore test of {instance.name} is queued or running")
    target = ProofTarget(schedule.proof_target)
    if schedule.operation == Operation.VERIFY:
        return create_copy_job(
            Operation.VERIFY,
            _copy_to_verify(schedule, instance, backup),
            parameters=VerifyParameters(pages=schedule.check_pages),
            occurrence=occurrence,
            requested_by=requested_by,
        )
    point = DrillPoint.BACKUP if target is ProofTarget.ANY else DrillPoint(target.value)
    copy = None
    once = schedule.proof_choice == ProofChoice.ONCE
    if backup is not None or once or target is ProofTarget.ANY:
        copies = _chosen(_restorable(schedule, instance, backup), target)
        copy = first_to_read(copies[0], copies)
    wanted = WantedTest(instance, point, copy, occurrence=occurrence)
    return create_restore_test_job(wanted, requested_by=requested_by)


def _is_proving(instance: Instance) -> bool:
    active = Job.objects.filter(operation__in=PROOFS, status__in=ACTIVE_JOB_STATUSES)
    return active.filter(instance=instance).exists()


def against_their_copy(jobs: Iterable[Job]) -> set[int]:
    """Return those of failed jobs that have found a fault: in a copy, or on the way to a moment."""
    failed = Q(evidence__passed=False) | Q(drill__passed=False)
    found = Job.objects.filter(failed, pk__in=[job.pk for job in jobs])
    return set(found.values_list("pk", flat=True))


def _followed(occurrence: Occurrence) -> Backup | None:
    """Return the backup of the run that this one follows; None where it follows none."""
    if occurrence.schedule.after_id is None:
        return None
    before = occurrence.follows
    job = before.job if before is not None else None
    backup = getattr(job, "product", None) or (job.backup if job is not None else None)
    if backup is None:
        raise Refused("the run that it follows has no backup")
    return backup


def _copy_to_verify(
    schedule: BackupSchedule, instance: Instance, backup: Backup | None
) -> BackupCopy:
    """Return the copy of the backup whose last verify is the oldest: in time each has its turn."""
    copies = _restorable(schedule, instance, backup)
    if schedule.check_pages:
        copies = copies.exclude(repository__kind=RepositoryKind.MEDIA)
    last = Evidence.objects.current().filter(copy=OuterRef("pk"), operation=Operation.VERIFY)
    newest = Subquery(last.order_by("-id").values("created_at")[:1])
    copies = copies.annotate(verified_at=newest)
    return _chosen(
        copies.order_by(F("verified_at").asc(nulls_first=True), "pk"),
        ProofTarget(schedule.proof_target),
    )[0]


def _restorable(
    schedule: BackupSchedule, instance: Instance, backup: Backup | None
) -> QuerySet[BackupCopy]:
    copies = without_faults(usable_copies()).select_related("backup__instance", "repository")
    if backup is not None:
        return copies.filter(backup=backup)
    copies = whole_copies(copies).filter(backup__instance=instance)
    return without_proof(copies, schedule) if schedule.proof_choice == ProofChoice.ONCE else copies


def _chosen(copies: QuerySet[BackupCopy], target: ProofTarget) -> list[BackupCopy]:
    """Return the copies of the newest backup, or of a random one, in the given order."""
    newest = copies.order_by("-backup__ended_at", "-backup").values_list("backup", flat=True)
    backups = list(dict.fromkeys(newest))
    if not backups:
        raise Refused("there is no backup that can be restored", hint="Take a backup first.")
    drawn = secrets.randbelow(len(backups)) if target is ProofTarget.ANY else 0
    return list(copies.filter(backup=backups[drawn]))
