"""Until when does the store lock a copy? Read back from each of its objects, and renewed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from backups.binlogs.segments.names import DATA_SUFFIX, manifest_of
from backups.catalog.versions import VersionGone, registered_objects
from backups.exceptions import RepositoryError
from backups.models import BackupCopy, SegmentCopy
from backups.repositories.objects.locks import BucketLocks
from backups.repositories.objects.versions import StoredVersion, Versions, list_versions
from backups.states import CopyStatus

# The name and the version of an object.
Object = tuple[str, str]


def note_copy_lock(locks: BucketLocks, copy: BackupCopy, now: datetime, *, keep: bool) -> None:
    """Write until when a copy is locked; with ``keep``, after what ends soon was renewed.

    A copy that was renewed or is being purged by another process meanwhile is left to it.
    """
    try:
        objects = registered_objects(locks.connection, copy)
    except VersionGone:
        # Nothing keeps what is gone; that it is, is a fault of the copy.
        _write(copy, None, now)
        raise
    versions = [(each.name, each.version.version) for each in objects]
    # What a recovery has copied above them is what is read.
    versions += [
        (each.name, each.newest.version)
        for each in objects
        if each.covered and not each.newest.marker and copy.recovered_at is not None
    ]
    _write(copy, _lock_all(locks, versions, keep=keep), now)


def _write(copy: BackupCopy, until: datetime | None, now: datetime) -> None:
    BackupCopy.objects.filter(
        pk=copy.pk, status=CopyStatus.STORED, locked_until=copy.locked_until
    ).update(locked_until=until, lock_checked_at=now)
    copy.locked_until, copy.lock_checked_at = until, now


def note_segment_lock(locks: BucketLocks, copy: SegmentCopy, now: datetime, *, keep: bool) -> None:
    """The same of a piece of a binlog."""
    found = list_versions(locks.connection, copy.path.removesuffix(DATA_SUFFIX))
    manifest = manifest_of(copy.path)
    data, manifests = _stored(copy, found, copy.path), _stored(copy, found, manifest)
    # Of the bytes the last version before the first manifest: a killed attempt may have left one.
    bytes_ = next((each for each in data if each.stored_at <= manifests[-1].stored_at), data[-1])
    objects = [(copy.path, bytes_.version), (manifest, manifests[0].version)]
    until = _lock_all(locks, objects, keep=keep)
    SegmentCopy.objects.filter(pk=copy.pk, expired_at=None, locked_until=copy.locked_until).update(
        locked_until=until, lock_checked_at=now
    )
    copy.locked_until, copy.lock_checked_at = until, now


def _stored(copy: SegmentCopy, found: Versions, name: str) -> list[StoredVersion]:
    """Return the versions of one of its objects, the newest first, without deletions."""
    stored = [each for each in found.get(name, ()) if not each.marker]
    if not stored:
        raise RepositoryError(f"no version of {name} is in {copy.repository.address}")
    return stored


def _lock_all(locks: BucketLocks, objects: Iterable[Object], *, keep: bool) -> datetime | None:
    """Return until when all of these are locked; None if one of them is not."""
    least = locks.wanted.renewed_below
    ends = [
        locks.lock(name, version, least) if keep else locks.read(name, version).until
        for name, version in objects
    ]
    known = [end for end in ends if end is not None]
    return min(known) if len(known) == len(ends) else None
