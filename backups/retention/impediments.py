"""May this copy be deleted now, and if not, why and until when?

A list of checks of rows, each with one reason. Whatever else may forbid a deletion, such as a lock
of the store that holds it, is one more function in ``CHECKS``. What must remain on disk is another
question: see ``backups.stages.purge.decide``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from backups.models import BackupCopy, Deletion, Job
from backups.retention.locked import lock_of
from backups.states import CopyStatus, DeletionStatus, JobStatus, Operation


@dataclass(frozen=True, slots=True)
class Impediment:
    """One reason why a copy may not be deleted now."""

    reason: str
    hint: str
    # When it ends by itself; None if that is not known.
    until: datetime | None = None
    # Whether the copy may be marked for deletion all the same: by then it may be over.
    passing: bool = False


Check = Callable[[BackupCopy, datetime], Impediment | None]


def impediments(copy: BackupCopy, now: datetime, *, marking: bool = False) -> list[Impediment]:
    """Return all that forbids to delete a stored copy now, or only to mark it."""
    found = (check(copy, now) for check in CHECKS)
    every = [impediment for impediment in found if impediment is not None]
    if not marking:
        return every
    return [impediment for impediment in every if not impediment.passing]


def being_read(copy: BackupCopy, now: datetime) -> Impediment | None:
    running = Job.objects.filter(copy=copy, status=JobStatus.RUNNING)
    job = running.exclude(operation=Operation.PURGE).first()
    if job is None:
        return None
    reason = f"{job} is reading {copy.backup.label}"
    return Impediment(reason, "Wait for it or cancel it.", passing=True)


def needed_by_stored(copy: BackupCopy, now: datetime) -> Impediment | None:
    """Other backups in the same repository are based on it; marked ones may be deleted first."""
    needing = BackupCopy.objects.filter(
        backup__base=copy.backup, repository=copy.repository, status=CopyStatus.STORED
    )
    labels = list(needing.order_by("backup__label").values_list("backup__label", flat=True))
    if not labels:
        return None
    marked = Deletion.objects.filter(copy__in=needing, status=DeletionStatus.MARKED).count()
    return Impediment(
        f"{copy.backup.label} is needed to restore {', '.join(labels)}",
        "Purge those first.",
        passing=marked == len(labels),
    )


def becoming_a_base(copy: BackupCopy, now: datetime) -> Impediment | None:
    job = Job.objects.filter(base=copy.backup, status=JobStatus.RUNNING).first()
    if job is None:
        return None
    return Impediment(f"{job} is based on {copy.backup.label}", "Wait for it or cancel it.")


def locked_by_store(copy: BackupCopy, now: datetime) -> Impediment | None:
    """The store would not delete it, whoever wants that."""
    lock = lock_of(copy.locked_until, now)
    if lock is None:
        return None
    return Impediment(
        f"{copy.backup.label} is {lock.reason}",
        "Nothing in Mooring can end the lock; its bytes can be purged from then on.",
        until=lock.until,
        passing=lock.until <= now + copy.repository.purge_delay,
    )


CHECKS: tuple[Check, ...] = (being_read, needed_by_stored, becoming_a_base, locked_by_store)
