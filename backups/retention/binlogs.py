"""Which stored pieces of binlogs does no recovery need, and how are they deleted?

First it is written on the row of each copy that it expires, and why; then the object is deleted,
its manifest first; then the row. Whatever is killed meanwhile, the next run continues.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from backups.binlogs.segments.names import file_number, manifest_of
from backups.catalog.evidence import without_faults
from backups.exceptions import BinlogDamaged, MooringError
from backups.health.clock_jump import refuse_clock_jump
from backups.health.each_repository import open_apart
from backups.health.usable import usable_copies, whole_copies
from backups.models import (
    Backup,
    BackupSchedule,
    BinlogArchive,
    BinlogSegment,
    Instance,
    Job,
    Repository,
    SegmentCopy,
)
from backups.models.repository import RepositoryKind
from backups.models.retention import RetentionSettings
from backups.repositories.base import ObjectStore
from backups.retention.binlog_rules import BinlogBase, BinlogNeed, binlogs_needed
from backups.retention.policy import Policy
from backups.retention.repository_clocks import refuse_other_clock
from backups.retention.verdicts import JudgedCopy, judge_copies, policy_of
from backups.states import ACTIVE_JOB_STATUSES, Operation

logger = logging.getLogger(__name__)

TICK = "expire binlogs"
# The next run continues.
COPIES_PER_TICK = 2000
REASON_LENGTH = 300
# These read binlogs, from a backup that may be older than the window.
READING = (Operation.RESTORE, Operation.RESTORE_TEST)


def expire_binlogs(now: datetime) -> int:
    """Delete pieces that nothing needs; return how many copies. Refused if a clock is in doubt."""
    refuse_clock_jump(TICK, now)
    instances = Instance.objects.filter(
        Exists(BinlogSegment.objects.filter(timeline__instance=OuterRef("pk")))
    )
    needs = binlog_needs([each.pk for each in instances], now)
    going = {pk: need for pk, need in needs.items() if need.since is not None}
    if any(_deletable(pk, need, now).exists() for pk, need in going.items()):
        repositories = Repository.objects.filter(segment_copies__isnull=False).distinct()
        refuse_other_clock(TICK, repositories, now)
    left = COPIES_PER_TICK
    for pk, need in going.items():
        left -= _expire(pk, need, now, left)
    return delete_expired()


def binlog_needs(instances: Collection[int], now: datetime) -> dict[int, BinlogNeed]:
    """Return from when on the binlogs of each instance are needed, and why."""
    judged: defaultdict[int, list[JudgedCopy]] = defaultdict(list)
    for each in judge_copies(now, instances):
        judged[each.copy.instance_id].append(each)
    policies = _policies([each for copies in judged.values() for each in copies])
    # With every backup that it is based on: the same that the recoverable ranges begin with.
    sound = without_faults(whole_copies(usable_copies())).filter(backup__instance__in=instances)
    restorable = set(sound.values_list("pk", flat=True))
    bases = [
        each
        for copies in judged.values()
        for each in copies
        # What is marked is restored from until it is deleted, up to any moment as before.
        if each.copy.pk in restorable and (each.mark is not None or not each.verdict.may_go)
    ]
    taken = {
        each.pk: each
        for each in Backup.objects.filter(pk__in={each.copy.backup_id for each in bases})
    }
    busy = set(
        Job.objects.filter(
            instance__in=instances, operation__in=READING, status__in=ACTIVE_JOB_STATUSES
        ).values_list("instance", flat=True)
    )
    return {
        pk: _need(judged[pk], policies, taken, "a restore is running" if pk in busy else "", now)
        for pk in instances
    }


def delete_expired() -> int:
    """Delete the bytes and rows of what has expired; return how many copies.

    In a write-only repository only the rows of what has vanished there.
    """
    waiting = set[int]()
    holding = Repository.objects.filter(segment_copies__expired_at__isnull=False)
    stores = open_apart(holding.distinct())
    expired = SegmentCopy.objects.filter(expired_at__isnull=False).order_by("pk")
    deleted = 0
    for copy in expired.select_related("repository", "segment__timeline").iterator(500):
        store = stores.of(copy.repository)
        if store is None or copy.repository_id in waiting:
            continue
        try:
            if not _is_gone(store, copy):
                # The lifecycle of a store goes by age: what is newer is there too.
                waiting.add(copy.repository_id)
                continue
        except MooringError as exc:
            stores.leave(copy.repository, exc)
            continue
        with transaction.atomic():
            copy.delete()
            BinlogSegment.objects.filter(pk=copy.segment_id, copies=None).delete()
        deleted += 1
    if deleted:
        logger.info("%d pieces of binlogs deleted", deleted, extra={"action": "binlogs_deleted"})
    return deleted


def _is_gone(store: ObjectStore, copy: SegmentCopy) -> bool:
    """Have the bytes deleted where Mooring deletes; whether nothing is left of them."""
    names = (manifest_of(copy.path), copy.path)
    if copy.repository.write_only:
        return not any(store.exists(name) for name in names)
    for name in names:
        # Without its manifest it is no segment; what is then left is replaced or removed.
        store.remove(name)
    return True


def _need(
    judged: Collection[JudgedCopy],
    policies: Mapping[str, Policy],
    taken: Mapping[int, Backup],
    blocked: str,
    now: datetime,
) -> BinlogNeed:
    bases = {
        each.copy.label: BinlogBase(
            each.copy.label,
            taken[each.copy.backup_id].started_at,
            each.copy.ended_at,
            taken[each.copy.backup_id].binlog_file,
            each.mark is not None,
        )
        # Of two copies of a backup, one that stays counts.
        for each in sorted(judged, key=lambda judgement: judgement.mark is None)
        if each.copy.backup_id in taken
    }
    # A file that somebody carries away keeps no binlogs, and no other from being deleted.
    placed = [each for each in judged if each.copy.repository_kind != RepositoryKind.FILE]
    reasons = [each.verdict.reason for each in placed if each.verdict.blocked]
    # What is kept and cannot be read now needs its binlogs when it can be again.
    reasons += [
        f"repository {each.copy.repository} cannot be used: {each.copy.repository_fault}"
        for each in placed
        if each.copy.repository_fault and not each.verdict.may_go
    ]
    used = {each.owner for each in placed}
    return binlogs_needed(
        list(bases.values()),
        [policies[owner] for owner in used],
        blocked or next(iter(reasons), ""),
        now,
    )


def _policies(judged: Collection[JudgedCopy]) -> dict[str, Policy]:
    """Return the policies by the names that the verdicts give their owners."""
    schedules = {each.copy.schedule_id for each in judged if each.copy.schedule_id is not None}
    repositories = {each.copy.repository_id for each in judged if each.copy.schedule_id is None}
    rows: list[tuple[str, RetentionSettings]] = [
        *(("schedule", row) for row in BackupSchedule.objects.filter(pk__in=schedules)),
        *(("repository", row) for row in Repository.objects.filter(pk__in=repositories)),
    ]
    return {f"{kind} {row}": policy_of(row, f"{kind} {row}") for kind, row in rows}


def _deletable(instance: int, need: BinlogNeed, now: datetime) -> QuerySet[SegmentCopy]:
    """Return the copies that nothing needs and no lock of their store keeps."""
    unlocked = Q(locked_until=None) | Q(locked_until__lte=now)
    return unneeded_copies(instance, need).filter(unlocked)


def unneeded_copies(instance: int, need: BinlogNeed) -> QuerySet[SegmentCopy]:
    """Return the copies of pieces that were stored before they were needed, by whole files.

    Of each timeline they are its beginning: nothing between pieces that are needed goes, whatever
    the clocks were by which they are dated.
    """
    others = BinlogSegment.objects.filter(timeline=OuterRef("segment__timeline"))
    same_file = Q(file_number=OuterRef("segment__file_number"))
    later_file = Q(file_number__gt=OuterRef("segment__file_number"))
    newer = others.filter(later_file | same_file & Q(start__gt=OuterRef("segment__start")))
    # A file is read from its first event on.
    needed = others.filter(
        same_file | Q(file_number__lt=OuterRef("segment__file_number")), created_at__gte=need.since
    )
    return SegmentCopy.objects.filter(
        # The newest piece says where the receiver goes on.
        Exists(newer),
        ~Exists(needed),
        _before_file(need),
        segment__timeline__instance=instance,
        segment__created_at__lt=need.since,
        expired_at=None,
    )


def _before_file(need: BinlogNeed) -> Q:
    """Match the pieces in front of the file of the base, and those of histories before it."""
    try:
        number = file_number(need.file)
    except BinlogDamaged:
        # Not known: the times decide alone.
        return Q()
    ended = Q(segment__timeline__ended_at__lt=need.since)
    return ended | Q(segment__file_number__lt=number)


def _expire(instance: int, need: BinlogNeed, now: datetime, most: int) -> int:
    chosen = list(
        _deletable(instance, need, now)
        .order_by("segment__timeline", "segment__file_number", "segment__start")
        .values_list("pk", flat=True)[: max(0, most)]
    )
    if not chosen:
        return 0
    reason = f"stored before what is kept: {need.reason}"[:REASON_LENGTH]
    SegmentCopy.objects.filter(pk__in=chosen, expired_at=None).update(
        expired_at=now, expire_reason=reason
    )
    BinlogArchive.objects.filter(instance=instance).update(judged_at=None)
    return len(chosen)
