"""The tick that has locks renewed while retention keeps what they are on.

It asks for what is due only: a lock with half of its length left, a copy whose lock has not been
read yet, and each once a week, because a lock in governance mode can be taken away.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from django.db.models import Q

from backups.access import locks_of
from backups.catalog.locks import note_copy_lock, note_segment_lock
from backups.catalog.versions import VersionGone, own_identity
from backups.exceptions import MooringError
from backups.health.each_repository import ask_each
from backups.models import BackupCopy, Repository, SegmentCopy
from backups.repositories.layout import IDENTITY_NAME
from backups.repositories.objects.locks import BucketLocks
from backups.retention.binlogs import binlog_needs, unneeded_copies
from backups.retention.verdicts import judge_copies
from backups.states import CopyStatus

logger = logging.getLogger(__name__)

READ_AGAIN_AFTER = timedelta(days=7)
# In one tick and repository; the next one continues.
COPIES_PER_TICK = 200
SEGMENTS_PER_TICK = 1000
FAULT_LENGTH = 300

Locked = TypeVar("Locked", BackupCopy, SegmentCopy)


def renew_locks(now: datetime) -> int:
    """Renew what is due in each repository with locks; return how many copies were read."""
    opened = ask_each(Repository.objects.exclude(lock_mode=""), _open)
    return sum(_renew(repository, locks, now) for repository, locks in opened)


def _open(repository: Repository) -> BucketLocks | None:
    """Return the locks of a repository, after that of its identity was renewed."""
    locks = locks_of(repository)
    if locks is not None:
        # The version below, where somebody has deleted it: its locks must not end meanwhile.
        identity, _ = own_identity(locks.connection, repository)
        locks.lock(IDENTITY_NAME, identity.version, locks.wanted.renewed_below)
    return locks


def _renew(repository: Repository, locks: BucketLocks | MooringError | None, now: datetime) -> int:
    done, faults = 0, []
    if locks is None:
        return 0
    try:
        if isinstance(locks, MooringError):
            raise locks
        copies = _due_copies(repository, locks, now)
        segments = _due_segments(repository, locks, now)
    except MooringError as exc:
        _note(repository, str(exc), now)
        return 0
    for copy, keep in copies:
        try:
            note_copy_lock(locks, copy, now, keep=keep)
            done += 1
        except VersionGone:
            # An alert of its own says that it is missing.
            continue
        except MooringError as exc:
            faults.append(f"{copy.backup.label}: {exc}")
    for piece, keep in segments:
        try:
            note_segment_lock(locks, piece, now, keep=keep)
            done += 1
        except MooringError as exc:
            faults.append(str(exc))
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    _note(repository, f"{faults[0]}{more}" if faults else "", now)
    return done


def _due(locks: BucketLocks, now: datetime) -> Q:
    ends_soon = Q(locked_until=None) | Q(locked_until__lt=now + locks.wanted.renewed_below)
    return ends_soon | _unread(now)


def _unread(now: datetime) -> Q:
    # A moment in the future was written under a clock that was wrong.
    old = Q(lock_checked_at__lte=now - READ_AGAIN_AFTER) | Q(lock_checked_at__gt=now)
    return Q(lock_checked_at=None) | old


def _due_copies(
    repository: Repository, locks: BucketLocks, now: datetime
) -> list[tuple[BackupCopy, bool]]:
    """Return the copies that are due, and whether retention keeps them apart from their lock."""
    rows = BackupCopy.objects.filter(repository=repository, status=CopyStatus.STORED)
    due = list(
        rows.filter(_due(locks, now))
        .select_related("backup", "repository")
        .order_by("locked_until", "pk")
    )
    instances = {copy.backup.instance_id for copy in due}
    judged = judge_copies(now, instances, locks=False) if due else []
    # Of what somebody has deleted or overwritten, the version below is still there.
    faulty = {copy.pk for copy in due if copy.fault}
    going = {each.copy.pk for each in judged if each.verdict.may_go} - faulty
    due = [
        copy for copy in due if not (copy.fault and _is_read(copy, now) and not copy.locked_until)
    ]
    return _chosen(due, going, now, COPIES_PER_TICK)


def _due_segments(
    repository: Repository, locks: BucketLocks, now: datetime
) -> list[tuple[SegmentCopy, bool]]:
    rows = SegmentCopy.objects.filter(repository=repository, expired_at=None)
    due = list(
        rows.filter(_due(locks, now))
        .select_related("segment__timeline", "repository")
        .order_by("locked_until", "pk")[: 2 * SEGMENTS_PER_TICK]
    )
    instances = {copy.segment.timeline.instance_id for copy in due}
    going: set[int] = set()
    for instance, need in binlog_needs(instances, now).items() if due else ():
        if need.since is not None:
            going.update(unneeded_copies(instance, need).values_list("pk", flat=True))
    return _chosen(due, going, now, SEGMENTS_PER_TICK)


def _chosen(
    due: Sequence[Locked], going: Iterable[int], now: datetime, most: int
) -> list[tuple[Locked, bool]]:
    """Return what is kept, and of the rest what has not been read lately."""
    leaving = set(going)
    chosen = [
        (copy, copy.pk not in leaving)
        for copy in due
        if copy.pk not in leaving or not _is_read(copy, now)
    ]
    return chosen[:most]


def _is_read(copy: BackupCopy | SegmentCopy, now: datetime) -> bool:
    read_at = copy.lock_checked_at
    return read_at is not None and now - READ_AGAIN_AFTER < read_at <= now


def _note(repository: Repository, fault: str, now: datetime) -> None:
    rows = Repository.objects.filter(pk=repository.pk)
    if bool(fault) == bool(repository.lock_fault):
        rows.update(lock_fault=fault[:FAULT_LENGTH])
        return
    rows.update(lock_fault=fault[:FAULT_LENGTH], lock_fault_since=now if fault else None)
    logger.warning(
        "locks of repository %s %s",
        repository,
        f"could not be renewed: {fault}" if fault else "are renewed again",
        extra={"action": "locks_renewed", "repository": repository.name},
    )
