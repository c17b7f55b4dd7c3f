"""The hourly tick of retention: which copies does nothing keep?

It only requests purge jobs: of what expires, which is only marked where its repository has a delay,
and of marked copies whose delay is over. Each of them decides again, under a lock, whether the copy
may be deleted: a pinned, held, needed or last backup is kept whoever requested the purge, and so is
one that its policy keeps by then because a run failed or the schedule was paused.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from backups.activity import record
from backups.exceptions import Refused
from backups.health.clock_jump import CONFIRM, HELD, confirm_clock, refuse_clock_jump
from backups.jobs.request import create_copy_job
from backups.jobs.wake import wake_all
from backups.models import BackupCopy, Deletion, Job
from backups.models.activity import Verb
from backups.parameters import PurgeParameters
from backups.retention.marks import (
    count_delays,
    due_deletions,
    explain_needed,
    parameters_of_due,
    withdraw_marks,
)
from backups.retention.repository_clocks import refuse_other_clock
from backups.retention.verdicts import TICK, JudgedCopy, judge_copies
from backups.states import ACTIVE_JOB_STATUSES, CopyStatus, Operation

logger = logging.getLogger(__name__)

# The next tick continues: purges must not keep backups waiting for workers.
PURGES_PER_TICK = 500
# More than this, and more than this share of all stored copies, is held until a person confirms.
PURGES_UNHELD, SHARE_UNHELD = 25, 0.1
# A failed purge is not requested again every hour.
RETRY_PURGE_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ExpiredCopy:
    """A copy that nothing keeps."""

    copy: BackupCopy
    judged: JudgedCopy


def expire_backups(now: datetime) -> int:
    """Request the purge of expired backups; return how many purges were requested.

    Refused if an unusual number would expire, or if a clock is in doubt.
    """
    # Also where nothing expires by now: this run would count as one by a clock that was right.
    refuse_clock_jump(TICK, now)
    count_delays(now)
    withdraw_marks(now)
    explain_needed(now)
    expired, due = expired_copies(now), due_deletions(now)
    if expired or due:
        copies = [*(candidate.copy for candidate in expired), *(each.copy for each in due)]
        repositories = {copy.repository_id: copy.repository for copy in copies}
        refuse_other_clock(TICK, repositories.values(), now)
        _refuse_many(len(expired))
    return _request_purges(expired, due)


def confirm_expiry(now: datetime, *, seen: Collection[int] | None = None) -> int:
    """Let expiry continue, for a person who has checked the clock; return how many purges.

    With ``seen``, the copies that the person was shown, it is refused if others expire by now.
    """
    expired = expired_copies(now)
    if seen is not None and (
        others := [candidate for candidate in expired if candidate.copy.pk not in seen]
    ):
        raise Refused(
            f"{len(others)} copies would be purged that were not shown: {others[0].copy}",
            hint="Check the list again.",
        )
    # Only what was shown: copies whose delay is over follow with the next tick.
    purges = _request_purges(expired, [])
    confirm_clock(now)
    record(Verb.RESUMED, details={"what": "expiry", "purges": purges})
    return purges


def expired_copies(now: datetime) -> list[ExpiredCopy]:
    """Return what nothing keeps, the oldest first, as far as one tick would purge it.

    Or would mark it, in a repository with a delay. What is marked is not among them.
    """
    # What others are based on follows in a later tick: those are purged first.
    going = [
        judgement
        for judgement in judge_copies(now, held=False)
        if judgement.verdict.may_go and not judgement.has_dependents and not judgement.mark
    ]
    requested = _requested_already([leaving.copy.pk for leaving in going], now)
    oldest_first = sorted(
        (leaving for leaving in going if leaving.copy.pk not in requested),
        key=lambda leaving: (leaving.copy.ended_at, leaving.copy.pk),
    )[:PURGES_PER_TICK]
    rows = BackupCopy.objects.select_related("backup__instance", "repository").in_bulk(
        [chosen.copy.pk for chosen in oldest_first]
    )
    return [
        ExpiredCopy(rows[chosen.copy.pk], chosen)
        for chosen in oldest_first
        if chosen.copy.pk in rows
    ]


def judge_again(copy: BackupCopy, now: datetime) -> JudgedCopy | None:
    """Judge a stored copy whose purge was requested before; None if it is not stored."""
    judged = judge_copies(now, [copy.backup.instance_id], held=False)
    return next((judgement for judgement in judged if judgement.copy.pk == copy.pk), None)


def _request_purges(expired: Sequence[ExpiredCopy], due: Sequence[Deletion]) -> int:
    wanted = [
        *(
            (
                candidate.copy,
                PurgeParameters(candidate.judged.verdict.reason, retention=True),
                candidate.judged.owner,
            )
            for candidate in expired
        ),
        *((each.copy, parameters_of_due(each), each.requested_by) for each in due),
    ]
    jobs = [job for copy, asked, actor in wanted if (job := _purge(copy, asked, actor))]
    wake_all(jobs)
    return len(jobs)


def _refuse_many(count: int) -> None:
    """Raise Refused if one run would purge an unusual part of all that is stored."""
    if count <= PURGES_UNHELD:
        return
    stored = BackupCopy.objects.filter(status=CopyStatus.STORED).count()
    if count > stored * SHARE_UNHELD:
        raise Refused(
            f"{TICK}{HELD}{count} or more of {stored} stored copies would be purged at once, "
            f"by a changed retention or a wrong clock. {CONFIRM}",
            hint=CONFIRM,
        )


def _purge(copy: BackupCopy, asked: PurgeParameters, actor: str) -> Job | None:
    try:
        return create_copy_job(Operation.PURGE, copy, parameters=asked, actor=actor, wake=False)
    except Refused as exc:
        logger.info(
            "%s is kept for now: %s",
            copy,
            exc,
            extra={"action": "purge_refused", "copy": copy.pk},
        )
        return None


def _requested_already(copies: Iterable[int], now: datetime) -> set[int]:
    """Return the copies whose purge was requested, and is not to be repeated yet."""
    purges = Job.objects.filter(operation=Operation.PURGE, copy__in=list(copies))
    recent = Q(status__in=ACTIVE_JOB_STATUSES) | Q(requested_at__gt=now - RETRY_PURGE_AFTER)
    return {pk for pk in purges.filter(recent).values_list("copy", flat=True) if pk is not None}
