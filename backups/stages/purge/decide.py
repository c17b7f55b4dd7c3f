"""May this copy be deleted? Only with a reason, and if a restorable backup remains.

In a repository with a delay it is only marked at first: everything is checked and recorded again
when the delay is over.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.timezone import now

from backups.access import locks_of
from backups.activity import ITSELF, Actor, record
from backups.catalog.copies import copy_of
from backups.catalog.evidence import with_passed_proof, without_faults
from backups.catalog.locks import note_copy_lock
from backups.catalog.survivors import Search
from backups.catalog.versions import VersionGone
from backups.exceptions import NoLongerNeeded, Refused
from backups.health.usable import lasting_copies, whole_copies, without_marked
from backups.models import Backup, BackupCopy, Deletion, Job
from backups.models.activity import Verb
from backups.models.repository import RepositoryKind
from backups.parameters import PurgeParameters
from backups.retention.expiry import judge_again
from backups.retention.impediments import impediments
from backups.retention.remaining import describe_remaining
from backups.retention.second_admin import refuse_without_second_admin
from backups.retention.verdicts import NO_DELAY
from backups.running.run import Run
from backups.stages.base import PlainStage
from backups.states import CHOSEN_KINDS, CopyStatus, DeletionStatus
from backups.transitions.copies import expire_copy
from backups.transitions.deletions import begin_deletion, mark_copy, note_problem
from backups.transitions.jobs import own

# Of many missing copies only the first few are named.
REASON_LENGTH = 1000


@dataclass(slots=True)
class PurgeWork:
    copy: BackupCopy
    asked: PurgeParameters
    # The user, schedule or repository that requests it.
    requested_by: str
    # Whether it is only marked: its repository has a delay.
    marked: bool = False


def purge_work(job: Job, asked: PurgeParameters) -> PurgeWork:
    requested = job.events.order_by("id").values_list("actor", flat=True).first()
    return PurgeWork(copy_of(job), asked, requested or ITSELF)


class Decide(PlainStage[PurgeWork]):
    name = "decide"
    may_refuse = True

    def run(self, run: Run, work: PurgeWork) -> str:
        try:
            copy = decide(run, work)
        except (Refused, NoLongerNeeded) as exc:
            if work.asked.deletion is not None:
                note_problem(Deletion.objects.get(pk=work.asked.deletion), str(exc))
            raise
        work.copy = copy
        if work.marked:
            until = Deletion.objects.get(copy=copy, status=DeletionStatus.MARKED).due_at
            return f"marked: it can be undone until {until:%Y-%m-%d %H:%M}Z"
        return copy.expire_reason


def decide(run: Run, work: PurgeWork) -> BackupCopy:
    """Mark a copy, or record that it is being deleted; return its row."""
    search = Search()
    read_lock(work.copy)
    # Reads disks, and one that hangs must not do so while the catalog is locked. Under the
    # lock the rows are checked again, and on disk only what has not been checked before.
    stop_unless_it_may_go(work, search)
    with transaction.atomic():
        # Serialises this with a restore that is about to open the copy, with a person who undoes
        # its deletion, and with a purge of the only other backup.
        siblings = BackupCopy.objects.filter(backup__instance=work.copy.backup.instance)
        list(siblings.select_for_update(of=("self",)).order_by("id"))
        copy = stop_unless_it_may_go(work, search)
        if copy.status == CopyStatus.STORED:
            work.marked = _carry_out(copy, work, search, now())
        # The decision is final: if this worker dies, a tick deletes the rest.
        own(run.job, run.token, leftovers=copy.status == CopyStatus.EXPIRED)
    return copy


def read_lock(copy: BackupCopy) -> None:
    """Write until when the store locks the copy now; MooringError if it does not say."""
    locks = locks_of(copy.repository)
    if locks is None or copy.status != CopyStatus.STORED:
        return
    # What is gone is not locked, and its row may go.
    with suppress(VersionGone):
        note_copy_lock(locks, copy, now(), keep=False)


def _carry_out(copy: BackupCopy, work: PurgeWork, search: Search, at: datetime) -> bool:
    """Mark the copy, or expire it; return whether it is only marked."""
    asked, delay = work.asked, copy.repository.purge_delay
    remains = describe_remaining(copy, search, at)
    deletion = mark_of(copy)
    if deletion is None:
        deletion = mark_copy(
            Deletion(
                copy=copy,
                reason=asked.reason,
                requested_by=work.requested_by,
                retention=asked.retention,
                approval_id=asked.approval,
                forced=asked.force,
                marked_at=at,
                due_at=at + delay,
                remains_marked=remains,
            ),
            at,
        )
        if delay > NO_DELAY and not asked.at_once:
            details = {"reason": deletion.reason, "until": deletion.due_at.isoformat()}
            record(Verb.MARKED, copy, actor=Actor(work.requested_by, ITSELF), details=details)
            return True
    early = at < deletion.due_at
    if not begin_deletion(
        deletion,
        remains=remains,
        now=at,
        hastened_by=work.requested_by if early else "",
        hastened_reason=asked.reason if early else "",
    ):
        raise NoLongerNeeded(f"the deletion of {copy.backup.label} was undone")
    expire_copy(copy, reason=deletion.reason, now=at)
    return False


def stop_unless_it_may_go(work: PurgeWork, search: Search) -> BackupCopy:
    """Return the copy as its row is now; an expired one may be deleted."""
    copy = BackupCopy.objects.select_related("repository", "backup__instance").get(pk=work.copy.pk)
    if copy.status == CopyStatus.STORED:
        _stop_unless_due(copy, work.asked)
        refuse_without_second_admin(copy, work.asked)
        proven_needed = stop_if_still_kept(copy) if work.asked.retention else 0
        refuse_if_needed(copy, work.asked, search, proven_needed=proven_needed)
    return copy


def _stop_unless_due(copy: BackupCopy, asked: PurgeParameters) -> None:
    """End a purge whose deletion was undone, or of a copy whose delay is not over."""
    mark = mark_of(copy)
    if asked.deletion is not None and (mark is None or mark.pk != asked.deletion):
        raise NoLongerNeeded(f"the deletion of {copy.backup.label} was undone")
    if mark is None or asked.at_once or (asked.deletion is not None and now() >= mark.due_at):
        return
    text = (
        f"{copy.backup.label} is marked already: it is deleted from {mark.due_at:%Y-%m-%d %H:%M}Z"
    )
    if asked.retention or asked.deletion is not None:
        raise NoLongerNeeded(text)
    raise Refused(text, hint="Keep it with keepbackup; an admin can purge it at once with --now.")


def mark_of(copy: BackupCopy) -> Deletion | None:
    """Return the deletion that a copy is marked for."""
    return Deletion.objects.filter(copy=copy, status=DeletionStatus.MARKED).first()


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
    copy: BackupCopy, asked: PurgeParameters, search: Search, *, proven_needed: int = 0
) -> None:
    """Raise Refused while the copy is still needed."""
    backup = copy.backup
    # One of chosen tables is never the last that protects its instance.
    protects = backup.kind not in CHOSEN_KINDS
    marking = asked.deletion is None and not asked.at_once
    marking = marking and copy.repository.purge_delay > NO_DELAY
    for impediment in impediments(copy, now(), marking=marking):
        raise Refused(impediment.reason, hint=impediment.hint)
    # A damaged copy does not count as a remaining one, nor one that exists only as a row, nor one
    # that is to be deleted itself.
    stored = without_faults(without_marked(BackupCopy.objects.filter(status=CopyStatus.STORED)))
    # Nor one in a file that somebody can carry away.
    stored = stored.exclude(repository__kind=RepositoryKind.FILE)
    elsewhere = search.finds_one(stored.filter(backup=backup).exclude(pk=copy.pk))
    if not elsewhere:
        refuse_if_promised(backup)
        others = stored.filter(backup__instance=backup.instance, backup__base=None)
        # With force as well: what was found is recorded.
        left = search.finds_one(whole_copies(others).exclude(backup=backup))
        if not left and not asked.force and protects:
            refuse_last_restorable(backup, search)
    if not asked.force and protects:
        refuse_last_proven(copy, search, proven_needed)


def refuse_last_restorable(backup: Backup, search: Search) -> None:
    """Raise Refused: no other backup of the instance would remain that is present."""
    refusal = "is the last restorable backup of"
    if search.missing:
        refusal = "is the last reachable backup of"
    raise _last_one(backup, search, refusal, hint="Take another backup")


def refuse_last_proven(copy: BackupCopy, search: Search, needed: int) -> None:
    """Raise Refused if too few proven backups would remain that are present.

    A person may delete any but the last of them.
    """
    proven = with_passed_proof(whole_copies(lasting_copies()))
    proven = proven.filter(backup__instance=copy.backup.instance)
    proven = proven.exclude(repository__kind=RepositoryKind.FILE)
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
