"""May this copy go? Nothing is deleted without a reason and a restorable backup that stays."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction
from django.utils.timezone import now

from backups.catalog.copies import copy_of
from backups.catalog.evidence import without_faults
from backups.catalog.survivors import Search
from backups.exceptions import NotWanted, Refused
from backups.models import Backup, BackupCopy, Job
from backups.parameters import PurgeParameters
from backups.retention.expiry import why_kept
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.states import CopyStatus, JobStatus
from backups.transitions.copies import expire_copy
from backups.transitions.jobs import own

# A hundred folders without a manifest are told by the first few.
REASON_LENGTH = 1000


@dataclass(slots=True)
class PurgeWork:
    copy: BackupCopy
    reason: str
    force: bool
    # Which schedule wants it gone; None where a person does.
    schedule_id: int | None = None


def purge_work(job: Job, asked: PurgeParameters) -> PurgeWork:
    return PurgeWork(copy_of(job), asked.reason, asked.force, asked.schedule)


class Decide(PlainStage[PurgeWork]):
    name = "decide"

    def run(self, run: Run, work: PurgeWork) -> str:
        search = Search()
        # Asks disks, and one that hangs must not do so with the catalog locked. Under the lock
        # the same is asked of the rows once more, and of disks only what nobody looked at.
        stop_unless_it_may_go(work, run.job, search)
        with transaction.atomic():
            # Orders this against a restore that is about to open the copy, and against a
            # purge of the other backup that would be the last one.
            siblings = BackupCopy.objects.filter(backup__instance=work.copy.backup.instance)
            list(siblings.select_for_update(of=("self",)).order_by("id"))
            copy = stop_unless_it_may_go(work, run.job, search)
            if copy.status == CopyStatus.STORED:
                expire_copy(copy, reason=work.reason, now=now())
            # Decided is decided: should this worker die, a tick deletes the rest.
            own(run.job, run.token, leftovers=copy.status != CopyStatus.PURGED)
        work.copy.refresh_from_db()
        return work.copy.expire_reason


def stop_unless_it_may_go(work: PurgeWork, job: Job, search: Search) -> BackupCopy:
    """Return the copy as its row is now; one that was decided about already may go."""
    copy = BackupCopy.objects.get(pk=work.copy.pk)
    if copy.status == CopyStatus.STORED:
        stop_if_kept(copy, work.schedule_id)
        refuse_if_needed(copy, job, search, force=work.force)
    return copy


def stop_if_kept(copy: BackupCopy, schedule_id: int | None) -> None:
    """Let a schedule's purge end where the schedule would not ask for it any more.

    It may have waited for hours behind other jobs. Nobody has to do anything about it.
    """
    if schedule_id is not None and (why := why_kept(schedule_id, copy.backup, now())):
        raise NotWanted(f"{copy.backup.label} stays: {why}")


def refuse_if_needed(copy: BackupCopy, job: Job, search: Search, *, force: bool) -> None:
    """Raise Refused while anything, or anybody, still needs the copy."""
    backup = copy.backup
    reading = Job.objects.filter(copy=copy, status=JobStatus.RUNNING).exclude(pk=job.pk).first()
    if reading is not None:
        raise Refused(f"{reading} is reading {backup.label}", hint="Wait for it or cancel it.")
    # What is damaged is nothing to fall back to, and neither is what only its row tells of.
    stored = without_faults(BackupCopy.objects.filter(status=CopyStatus.STORED))
    if search.finds_one(stored.filter(backup=backup).exclude(pk=copy.pk)):
        return
    refuse_if_promised(backup)
    others = stored.filter(backup__instance=backup.instance, backup__base=None)
    if force or search.finds_one(others.exclude(backup=backup)):
        return
    if search.missing:
        raise Refused(
            f"{backup.label} is the last restorable backup of {backup.instance} that is there: "
            f"{search.in_words()}"[:REASON_LENGTH],
            hint="Bring that repository back, or take another backup first. "
            "Say --force to be left without any.",
        )
    raise Refused(
        f"{backup.label} is the last restorable backup of {backup.instance}",
        hint="Take another backup first, or say --force to be left without any.",
    )


def refuse_if_promised(backup: Backup) -> None:
    """Raise Refused where other backups, or a person, rely on this one."""
    needing = backup.dependents.filter(copies__status=CopyStatus.STORED).distinct()
    if needing:
        names = ", ".join(dependent.label for dependent in needing)
        raise Refused(f"{backup.label} is needed to restore {names}", hint="Purge those first.")
    if backup.pinned:
        why = f": {backup.pinned_reason}" if backup.pinned_reason else ""
        raise Refused(f"{backup.label} is pinned{why}", hint="Unpin it first.")
