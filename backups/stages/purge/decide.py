"""May this copy be deleted? Only with a reason, and if a restorable backup remains."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.utils.timezone import now

from backups.catalog.copies import copy_of
from backups.catalog.evidence import without_faults
from backups.catalog.survivors import Search
from backups.exceptions import NoLongerNeeded, Refused
from backups.models import Backup, BackupCopy, Job
from backups.parameters import PurgeParameters
from backups.retention.expiry import why_kept
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.states import CopyStatus, JobStatus
from backups.transitions.copies import expire_copy
from backups.transitions.jobs import own

# Of many missing copies only the first few are named.
REASON_LENGTH = 1000


@dataclass(slots=True)
class PurgeWork:
    copy: BackupCopy
    reason: str
    force: bool
    # The schedule that requests the purge; None if a person does.
    schedule_id: int | None = None


def purge_work(job: Job, asked: PurgeParameters) -> PurgeWork:
    return PurgeWork(copy_of(job), asked.reason, asked.force, asked.schedule)


class Decide(PlainStage[PurgeWork]):
    name = "decide"
    may_refuse = True

    def run(self, run: Run, work: PurgeWork) -> str:
        search = Search()
        # Reads disks, and one that hangs must not do so while the catalog is locked. Under the
        # lock the rows are checked again, and on disk only what has not been checked before.
        stop_unless_it_may_go(work, run.job, search)
        with transaction.atomic():
            # Serialises this with a restore that is about to open the copy, and with a purge
            # of the only other backup.
            siblings = BackupCopy.objects.filter(backup__instance=work.copy.backup.instance)
            list(siblings.select_for_update(of=("self",)).order_by("id"))
            copy = stop_unless_it_may_go(work, run.job, search)
            if copy.status == CopyStatus.STORED:
                expire_copy(copy, reason=work.reason, now=now())
            # The decision is final: if this worker dies, a tick deletes the rest.
            own(run.job, run.token, leftovers=copy.status != CopyStatus.PURGED)
        work.copy.refresh_from_db()
        return work.copy.expire_reason


def stop_unless_it_may_go(work: PurgeWork, job: Job, search: Search) -> BackupCopy:
    """Return the copy as its row is now; an expired one may be deleted."""
    copy = BackupCopy.objects.get(pk=work.copy.pk)
    if copy.status == CopyStatus.STORED:
        stop_if_still_kept(copy, work.schedule_id)
        refuse_if_needed(copy, job, search, force=work.force)
    return copy


def stop_if_still_kept(copy: BackupCopy, schedule_id: int | None) -> None:
    """End a purge that its schedule would no longer request.

    It may have been queued for hours behind other jobs. No action is needed.
    """
    if schedule_id is not None and (why := why_kept(schedule_id, copy.backup, now())):
        raise NoLongerNeeded(f"{copy.backup.label} is kept: {why}")


def refuse_if_needed(copy: BackupCopy, job: Job, search: Search, *, force: bool) -> None:
    """Raise Refused while the copy is still needed."""
    backup = copy.backup
    reading = Job.objects.filter(copy=copy, status=JobStatus.RUNNING).exclude(pk=job.pk).first()
    if reading is not None:
        raise Refused(f"{reading} is reading {backup.label}", hint="Wait for it or cancel it.")
    # A damaged copy does not count as a remaining one, nor one that exists only as a row.
    refuse_if_others_need(copy)
    stored = without_faults(BackupCopy.objects.filter(status=CopyStatus.STORED))
    if search.finds_one(stored.filter(backup=backup).exclude(pk=copy.pk)):
        return
    refuse_if_promised(backup)
    others = stored.filter(backup__instance=backup.instance, backup__base=None)
    if force or search.finds_one(others.exclude(backup=backup)):
        return
    if search.missing:
        raise Refused(
            f"{backup.label} is the last reachable backup of {backup.instance}: "
            f"{search.in_words()}"[:REASON_LENGTH],
            hint="Make that repository reachable or take another backup first, or use --force "
            "to delete the last one.",
        )
    raise Refused(
        f"{backup.label} is the last restorable backup of {backup.instance}",
        hint="Take another backup first, or use --force to delete the last one.",
    )


def refuse_if_others_need(copy: BackupCopy) -> None:
    """Raise Refused if backups in the same repository are based on this one, or are about to."""
    backup = copy.backup
    needing = backup.dependents.filter(
        copies__status=CopyStatus.STORED, copies__repository=copy.repository
    ).distinct()
    if needing:
        names = ", ".join(dependent.label for dependent in needing)
        raise Refused(f"{backup.label} is needed to restore {names}", hint="Purge those first.")
    dependent = Job.objects.filter(base=backup, status=JobStatus.RUNNING).first()
    if dependent is not None:
        raise Refused(f"{dependent} is based on {backup.label}", hint="Wait for it or cancel it.")


def refuse_if_promised(backup: Backup) -> None:
    """Raise Refused if the backup is pinned."""
    if backup.pinned:
        why = f": {backup.pinned_reason}" if backup.pinned_reason else ""
        raise Refused(f"{backup.label} is pinned{why}", hint="Unpin it first.")
