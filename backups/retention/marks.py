"""Which copies are marked for deletion, which of them are due, and how is one kept after all?

A marked copy is stored as before. Its deletion is undone by a person, who holds the backup with it,
so that retention does not mark it again in the next hour; or withdrawn by the retention that marked
it, once anything keeps the copy again.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from backups.exceptions import Refused
from backups.models import Backup, BackupCopy, Deletion, Job, Repository
from backups.parameters import PurgeParameters
from backups.retention.delays import LONGEST_STEP, unseen
from backups.retention.holds import lock_copies_of, undo_marks, write_hold
from backups.retention.impediments import needed_by_stored
from backups.retention.verdicts import TICK, judge_copies
from backups.states import ACTIVE_JOB_STATUSES, CopyStatus, DeletionStatus, Operation
from backups.transitions.deletions import note_problem, undo_deletion

logger = logging.getLogger(__name__)

# Whoever keeps a copy has so long to pin it, or to change its retention.
HELD_FOR = timedelta(days=7)
UNDONE = "its deletion was undone"
# One that was refused is not tried again every hour.
RETRY_AFTER = timedelta(days=1)
DUE_PER_TICK = 500
NEEDED_HINT = "purge those first, or keep it"


def keep_backup(
    backup: Backup,
    *,
    now: datetime,
    reason: str = "",
    repository: Repository | None = None,
) -> datetime:
    """Undo the deletion of a backup's marked copies; return until when it is held with that.

    Those that it needs in the same repositories are kept with it.
    """
    reason = reason.strip() or UNDONE
    with transaction.atomic():
        lock_copies_of(backup)
        backup.refresh_from_db()
        own = Deletion.objects.filter(copy__backup=backup, status=DeletionStatus.MARKED)
        if repository is not None:
            own = own.filter(copy__repository=repository)
        if not own.exists():
            raise Refused(_why_not_kept(backup, repository))
        undo_marks(own, reason=reason, now=now)
        until = now + HELD_FOR
        if backup.held_until is not None and backup.held_until >= until:
            return backup.held_until
        write_hold(backup, until=until, reason=reason)
    return until


def withdraw_marks(now: datetime) -> int:
    """Withdraw what retention marked and keeps again; return how many copies."""
    instances = set(
        Deletion.objects.filter(status=DeletionStatus.MARKED, retention=True)
        .order_by()
        .values_list("copy__backup__instance", flat=True)
    )
    if not instances:
        return 0
    kept = {
        judged.mark.pk: judged.verdict.reason
        for judged in judge_copies(now, instances, held=False)
        if judged.mark is not None
        and judged.mark.retention
        # Nothing but a fault of today keeps what is blocked: its deletion waits.
        and not (judged.verdict.may_go or judged.verdict.blocked)
    }
    return sum(
        undo_deletion(mark, DeletionStatus.WITHDRAWN, who=TICK, reason=kept[mark.pk], now=now)
        for mark in Deletion.objects.filter(pk__in=list(kept))
        if mark.marked
    )


def count_delays(now: datetime) -> int:
    """Count the time since the last tick; return how many became longer by what passed unseen."""
    marked = Deletion.objects.filter(status=DeletionStatus.MARKED)
    seen = marked.filter(seen_at__gte=now - LONGEST_STEP)
    seen.update(seen_at=now)
    longer = 0
    for each in marked.filter(seen_at__lt=now):
        missed = unseen(each.seen_at, now)
        same = marked.filter(pk=each.pk, seen_at=each.seen_at)
        longer += same.update(
            seen_at=now, due_at=each.due_at + missed, extended=each.extended + missed
        )
    if longer:
        logger.warning(
            "the delays of %d deletions became longer: Mooring did not run, or the clock jumped",
            longer,
            extra={"action": "delays_extended", "deletions": longer},
        )
    return longer


def explain_needed(now: datetime) -> None:
    """Record why marked copies stay though their delay is over: others are based on them.

    Of those that are marked themselves too: they go first. A copy job may have added one meanwhile.
    """
    marked = Deletion.objects.filter(status=DeletionStatus.MARKED, due_at__lte=now)
    needed = marked.filter(Exists(_dependents())).select_related("copy__backup", "copy__repository")
    for deletion in needed.order_by("due_at", "pk")[:DUE_PER_TICK]:
        if impediment := needed_by_stored(deletion.copy, now):
            then = "marked, and deleted first" if impediment.passing else NEEDED_HINT
            note_problem(deletion, f"{impediment.reason}: {then}")


def due_deletions(now: datetime) -> list[Deletion]:
    """Return the marked copies whose delay is over, the longest due first, as far as one tick goes.

    What others are based on follows in a later tick: those are deleted first.
    """
    purges = Job.objects.filter(operation=Operation.PURGE, copy=OuterRef("copy"))
    tried = purges.filter(
        Q(status__in=ACTIVE_JOB_STATUSES)
        | Q(requested_at__gte=OuterRef("due_at"), requested_at__gt=now - RETRY_AFTER)
    )
    due = Deletion.objects.filter(
        ~Exists(_dependents()), ~Exists(tried), status=DeletionStatus.MARKED, due_at__lte=now
    )
    rows = due.select_related("copy__backup__instance", "copy__repository")
    return list(rows.order_by("due_at", "pk")[:DUE_PER_TICK])


def _dependents() -> QuerySet[BackupCopy]:
    """Return the stored copies that are based on the one of a deletion."""
    return BackupCopy.objects.filter(
        backup__base=OuterRef("copy__backup"),
        repository=OuterRef("copy__repository"),
        status=CopyStatus.STORED,
    )


def parameters_of_due(deletion: Deletion) -> PurgeParameters:
    """Return how a marked deletion is carried out."""
    return PurgeParameters(
        deletion.reason,
        force=deletion.forced,
        retention=deletion.retention,
        deletion=deletion.pk,
        approval=deletion.approval_id,
    )


def _why_not_kept(backup: Backup, repository: Repository | None) -> str:
    where = f" in {repository}" if repository is not None else ""
    copies = backup.copies.all()
    if repository is not None:
        copies = copies.filter(repository=repository)
    if copies.filter(status=CopyStatus.EXPIRED).exists():
        return f"it is too late: {backup} is being deleted{where}"
    if not copies.filter(status=CopyStatus.STORED).exists():
        return f"it is too late: {backup} was deleted{where}"
    return f"{backup} is not marked for deletion{where}"
