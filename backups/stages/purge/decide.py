"""May this copy be deleted? Only with a reason, and if a restorable backup remains."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet
from django.utils.timezone import now

from backups.access import locks_of
from backups.catalog.copies import copy_of
from backups.catalog.evidence import with_passed_proof, without_faults
from backups.catalog.locks import note_copy_lock
from backups.catalog.survivors import Search
from backups.catalog.versions import VersionGone
from backups.exceptions import NoLongerNeeded, Refused
from backups.health.usable import usable_copies
from backups.models import Backup, BackupCopy, Job
from backups.parameters import PurgeParameters
from backups.retention.expiry import judge_again
from backups.retention.locked import lock_of
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
    # Whether retention requests the purge; False if a person does.
    retention: bool = False


def purge_work(job: Job, asked: PurgeParameters) -> PurgeWork:
    return PurgeWork(copy_of(job), asked.reason, asked.force, asked.retention)


class Decide(PlainStage[PurgeWork]):
    name = "decide"
    may_refuse = True

    def run(self, run: Run, work: PurgeWork) -> str:
        search = Search()
        read_lock(work.copy)
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


def read_lock(copy: BackupCopy) -> None:
    """Write until when the store locks the copy now; MooringError if it does not say."""
    locks = locks_of(copy.repository)
    if locks is None or copy.status != CopyStatus.STORED:
        return
    # What is gone is not locked, and its row may go.
    with suppress(VersionGone):
        note_copy_lock(locks, copy, now(), keep=False)


def stop_unless_it_may_go(work: PurgeWork, job: Job, search: Search) -> BackupCopy:
    """Return the copy as its row is now; an expired one may be deleted."""
    copy = BackupCopy.objects.get(pk=work.copy.pk)
    if copy.status == CopyStatus.STORED:
        proven_needed = stop_if_still_kept(copy) if work.retention else 0
        refuse_if_needed(copy, job, search, force=work.force, proven_needed=proven_needed)
    return copy


def stop_if_still_kept(copy: BackupCopy) -> int:
    """End a purge that retention would no longer request; return how many proven must remain.

    It may have been queued for hours behind other jobs. No action is needed.
    """
    judged = judge_again(copy, now())
    if judged is None:
        return 0
    if not judged.verdict.may_go:
        raise NoLongerNeeded(f"{copy.backup.label} is kept: {judged.verdict.reason}")
    return judged.proven_needed


def refuse_if_needed(
    copy: BackupCopy, job: Job, search: Search, *, force: bool, proven_needed: int = 0
) -> None:
    """Raise Refused while the copy is still needed."""
    backup = copy.backup
    reading = Job.objects.filter(copy=copy, status=JobStatus.RUNNING).exclude(pk=job.pk).first()
    if reading is not None:
        raise Refused(f"{reading} is reading {backup.label}", hint="Wait for it or cancel it.")
    # A damaged copy does not count as a remaining one, nor one that exists only as a row.
    refuse_if_others_need(copy)
    refuse_if_locked(copy)
    stored = without_faults(BackupCopy.objects.filter(status=CopyStatus.STORED))
    elsewhere = search.finds_one(stored.filter(backup=backup).exclude(pk=copy.pk))
    if not elsewhere:
        refuse_if_promised(backup)
    if force:
        return
    if not elsewhere:
        refuse_last_restorable(backup, stored, search)
    refuse_last_proven(copy, search, proven_needed)


def refuse_last_restorable(backup: Backup, stored: QuerySet[BackupCopy], search: Search) -> None:
    """Raise Refused if no other backup of the instance would remain that is present."""
    others = stored.filter(backup__instance=backup.instance, backup__base=None)
    if search.finds_one(others.exclude(backup=backup)):
        return
    refusal = "is the last restorable backup of"
    if search.missing:
        refusal = "is the last reachable backup of"
    raise _last_one(backup, search, refusal, hint="Take another backup")


def refuse_last_proven(copy: BackupCopy, search: Search, needed: int) -> None:
    """Raise Refused if too few proven backups would remain that are present.

    A person may delete any but the last of them.
    """
    proven = with_passed_proof(usable_copies()).filter(backup__instance=copy.backup.instance)
    if not needed and proven.filter(pk=copy.pk).exists():
        needed = 1
    if needed and not search.finds(needed, proven.exclude(pk=copy.pk)):
        refusal = "is the last proven backup of"
        raise _last_one(copy.backup, search, refusal, hint="Verify another backup")


def _last_one(backup: Backup, search: Search, refusal: str, *, hint: str) -> Refused:
    """Return the refusal to delete the last of what must remain, with what could not be found."""
    missing = f": {search.in_words()}" if search.missing else ""
    if missing:
        hint = f"Make that repository reachable or {hint[:1].lower()}{hint[1:]}"
    return Refused(
        f"{backup.label} {refusal} {backup.instance}{missing}"[:REASON_LENGTH],
        hint=f"{hint} first, or use --force to delete the last one.",
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


def refuse_if_locked(copy: BackupCopy) -> None:
    """Raise Refused while the store would not delete the copy, whoever wants that."""
    if (lock := lock_of(copy.locked_until, now())) is not None:
        raise Refused(
            f"{copy.backup.label} is {lock.reason}",
            hint="Nothing in Mooring can end the lock; its bytes can be purged from then on.",
        )


def refuse_if_promised(backup: Backup) -> None:
    """Raise Refused if the backup is pinned or held."""
    if backup.pinned:
        why = f": {backup.pinned_reason}" if backup.pinned_reason else ""
        raise Refused(f"{backup.label} is pinned{why}", hint="Unpin it first.")
    if backup.held(now()):
        raise Refused(
            f"{backup.label} is held by {backup.held_by} until "
            f"{backup.held_until:%Y-%m-%d %H:%M}Z: {backup.held_reason}",
            hint="Release it first.",
        )
