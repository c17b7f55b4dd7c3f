"""The hourly tick of retention: which backups do schedules no longer keep?

It only requests purge jobs. Each of them decides again, under a lock, whether the copy may be
deleted: a pinned, needed or last backup is kept whoever requested the purge, and so is one that
its schedule keeps by then because a run failed or the schedule was paused.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Prefetch, Q, QuerySet

from backups.activity import record
from backups.catalog.evidence import without_faults
from backups.exceptions import Refused
from backups.health.clock_jump import CONFIRM, HELD, confirm_clock, refuse_clock_jump
from backups.jobs.request import create_copy_job
from backups.jobs.wake import wake_all
from backups.models import Backup, BackupCopy, BackupSchedule, Job, Occurrence
from backups.models.activity import Verb
from backups.models.catalog import Origin
from backups.parameters import PurgeParameters
from backups.retention.repository_clocks import refuse_other_clock
from backups.retention.rules import Entry, Policy, RetentionDecision, rule
from backups.states import (
    ACTIVE_JOB_STATUSES,
    TERMINAL_OCCURRENCE_STATUSES,
    CopyStatus,
    OccurrenceStatus,
    Operation,
)

logger = logging.getLogger(__name__)

# The next tick continues: purges must not keep backups waiting for workers.
PURGES_PER_TICK = 500
TICK = "expire backups"
# More than this, and more than this share of all stored copies, is held until a person confirms.
PURGES_UNHELD, SHARE_UNHELD = 25, 0.1
# A failed purge is not requested again every hour.
RETRY_PURGE_AFTER = timedelta(days=1)
UNHEALTHY = {OccurrenceStatus.FAILED, OccurrenceStatus.REFUSED, OccurrenceStatus.MISSED}
INDIFFERENT = {OccurrenceStatus.SKIPPED, OccurrenceStatus.CANCELLED}


@dataclass(frozen=True, slots=True)
class ExpiredCopy:
    """A copy that its schedule no longer keeps."""

    schedule: BackupSchedule
    ruling: RetentionDecision
    copy: BackupCopy


def expire_backups(now: datetime) -> int:
    """Request the purge of expired backups; return how many purges were requested.

    Refused if an unusual number would expire, or if a clock is in doubt.
    """
    # Also where nothing expires by now: this run would count as one by a clock that was right.
    refuse_clock_jump(TICK, now)
    expired = expired_copies(now)
    if expired:
        repositories = {each.copy.repository_id: each.copy.repository for each in expired}
        refuse_other_clock(TICK, repositories.values(), now)
        _refuse_many(len(expired))
    return _request_purges(expired)


def confirm_expiry(now: datetime, *, seen: Collection[int] | None = None) -> int:
    """Let expiry continue, for a person who has checked the clock; return how many purges.

    With ``seen``, the copies that the person was shown, it is refused if others expire by now.
    """
    expired = expired_copies(now)
    if seen is not None and (others := [each for each in expired if each.copy.pk not in seen]):
        raise Refused(
            f"{len(others)} copies would be purged that were not shown: {others[0].copy}",
            hint="Check the list again.",
        )
    purges = _request_purges(expired)
    confirm_clock(now)
    record(Verb.RESUMED, details={"what": "expiry", "purges": purges})
    return purges


def _request_purges(expired: Sequence[ExpiredCopy]) -> int:
    found = [job for each in expired if (job := _purge(each.schedule, each.ruling, each.copy))]
    wake_all(found)
    return len(found)


def expired_copies(now: datetime) -> list[ExpiredCopy]:
    """Return what schedules no longer keep, as far as one tick would purge it."""
    expired: list[ExpiredCopy] = []
    for schedule_id, instance_id in _pairs_to_check(now):
        if len(expired) >= PURGES_PER_TICK:
            break
        schedule = BackupSchedule.objects.get(pk=schedule_id)
        backups = _stored(schedule_id, instance_id)
        requested = _requested_already(backups, now)
        for ruling in rule_about(schedule, instance_id, backups, now):
            if ruling.may_go:
                copies = _copies_to_purge(ruling, backups, requested)
                expired += [ExpiredCopy(schedule, ruling, copy) for copy in copies]
    return expired


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


def rule_about(
    schedule: BackupSchedule, instance_id: int, backups: Sequence[Backup], now: datetime
) -> list[RetentionDecision]:
    """Decide about the stored backups of one schedule and instance."""
    policy = Policy(schedule.name, schedule.keep_for, schedule.keep_least)
    failed = newest_run_failed(schedule, instance_id)
    sound = _sound(backups)
    entries = [_entry(backup, sound) for backup in backups]
    return rule(entries, policy, now, newest_run_failed=failed)


def why_kept(schedule_id: int, backup: Backup, now: datetime) -> str:
    """Return why a schedule keeps a backup after all; blank if it may still be deleted."""
    schedule = _expiring().filter(pk=schedule_id).first()
    if schedule is None:
        return "its schedule is paused or disabled, or keeps everything"
    backups = _stored(schedule_id, backup.instance_id)
    rulings = rule_about(schedule, backup.instance_id, backups, now)
    ruling = next((each for each in rulings if each.label == backup.label), None)
    return "" if ruling is None or ruling.may_go else ruling.reason


def newest_run_failed(schedule: BackupSchedule, instance_id: int) -> str:
    """Return how the newest run with a result failed; blank if it succeeded."""
    ended = Occurrence.objects.filter(schedule=schedule, instance=instance_id)
    conclusive = TERMINAL_OCCURRENCE_STATUSES - INDIFFERENT
    newest = ended.filter(status__in=conclusive).order_by("-due_at").first()
    if newest is None or newest.status not in UNHEALTHY:
        return ""
    return newest.get_status_display().lower()


def _pairs_to_check(now: datetime) -> list[tuple[int, int]]:
    """Return schedule and instance of every backup older than it is kept."""
    schedules = _expiring()
    pairs: list[tuple[int, int]] = []
    # Few lengths, many schedules: one query for each length.
    for keep_for in schedules.order_by("keep_for").values_list("keep_for", flat=True).distinct():
        assert keep_for is not None
        old = Backup.objects.filter(
            copies__status=CopyStatus.STORED,
            # A disabled instance gets no new backups either.
            instance__enabled=True,
            ended_at__lte=now - keep_for,
            made_by__occurrence__schedule__in=schedules.filter(keep_for=keep_for),
        ).order_by("made_by__occurrence__schedule", "instance")
        pairs += old.values_list("made_by__occurrence__schedule", "instance").distinct()
    return pairs


def _expiring() -> QuerySet[BackupSchedule]:
    """Return the schedules that expire old backups."""
    # A paused or disabled schedule takes no new backups, so it expires no old ones.
    return BackupSchedule.objects.filter(
        enabled=True, paused_at=None, origin=Origin.MANAGED, keep_for__isnull=False
    )


def _stored(schedule_id: int, instance_id: int) -> list[Backup]:
    backups = Backup.objects.filter(
        made_by__occurrence__schedule=schedule_id,
        instance=instance_id,
        copies__status=CopyStatus.STORED,
    ).distinct()
    copies = BackupCopy.objects.filter(status=CopyStatus.STORED).select_related("repository")
    dependents = Backup.objects.filter(copies__status=CopyStatus.STORED).distinct()
    return list(
        backups.prefetch_related(
            Prefetch("copies", copies),
            Prefetch("dependents", dependents),
        )
    )


def _entry(backup: Backup, sound: set[int]) -> Entry:
    return Entry(
        backup.label,
        backup.ended_at,
        frozenset(dependent.label for dependent in backup.dependents.all()),
        backup.pinned,
        backup.pk in sound,
    )


def _sound(backups: Sequence[Backup]) -> set[int]:
    """Return the backups that have a copy without a failed proof."""
    stored = BackupCopy.objects.filter(backup__in=backups, status=CopyStatus.STORED)
    return set(without_faults(stored).values_list("backup", flat=True))


def _copies_to_purge(
    ruling: RetentionDecision, backups: Sequence[Backup], requested: Collection[int]
) -> list[BackupCopy]:
    backup = next(each for each in backups if each.label == ruling.label)
    if backup.dependents.all():
        # The dependents are purged first; this one follows in a later tick.
        return []
    return [copy for copy in backup.copies.all() if copy.pk not in requested]


def _purge(schedule: BackupSchedule, ruling: RetentionDecision, copy: BackupCopy) -> Job | None:
    try:
        return create_copy_job(
            Operation.PURGE,
            copy,
            parameters=PurgeParameters(ruling.reason, schedule=schedule.pk),
            actor=f"schedule {schedule.name}",
            wake=False,
        )
    except Refused as exc:
        logger.info(
            "%s is kept for now: %s", copy, exc, extra={"action": "purge_refused", "copy": copy.pk}
        )
        return None


def _requested_already(backups: Sequence[Backup], now: datetime) -> set[int]:
    """Return the copies whose purge was requested, and is not to be repeated yet."""
    purges = Job.objects.filter(operation=Operation.PURGE, copy__backup__in=backups)
    recent = Q(status__in=ACTIVE_JOB_STATUSES) | Q(requested_at__gt=now - RETRY_PURGE_AFTER)
    return {pk for pk in purges.filter(recent).values_list("copy", flat=True) if pk is not None}
