"""Is each stored piece of a binlog still there, unchanged?

A tick, so that what is shown as recoverable is. It holds size and manifest of each copy against its
row, over and over, and reads one copy to its last byte. What it finds wrong cuts what is
recoverable until it is right again.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import F, Q

from backups.access import refuse_unusable
from backups.archive.keys import Keyring
from backups.binlogs.segments.manifest import read_blob, segment_digest
from backups.binlogs.segments.names import manifest_of, place_of_manifest
from backups.binlogs.segments.reader import SegmentReader
from backups.exceptions import ArchiveError, KeyUnavailable, RepositoryError
from backups.health.each_repository import look_apart
from backups.keys.load import known_keys
from backups.models import BinlogArchive, SegmentCopy
from backups.repositories.base import ObjectStore
from backups.states import CopyFault

logger = logging.getLogger(__name__)

# Checked in one tick; and again after this long.
MOST = 100
EVERY = timedelta(days=7)
FAULT_LENGTH = 300


def check_segments(now: datetime) -> int:
    """Check the copies that have waited longest; return how many have a fault."""
    keyring = known_keys()
    waiting = _waiting_copies(now)

    def look(store: ObjectStore, copy: SegmentCopy) -> tuple[str, str]:
        return _fault_of(store, copy, keyring, whole=copy == waiting[0])

    faults = 0
    for copy, found in look_apart(waiting, look):
        if found is None:
            # That is the repository's fault, not the copy's.
            SegmentCopy.objects.filter(pk=copy.pk).update(checked_at=now)
            continue
        _note(copy, *found, now)
        faults += bool(found[0])
    return faults


def _waiting_copies(now: datetime) -> list[SegmentCopy]:
    waiting = Q(checked_at=None) | Q(checked_at__lte=now - EVERY) | Q(checked_at__gt=now)
    copies = SegmentCopy.objects.filter(waiting, expired_at=None)
    # New ones come last, so that many of them do not keep the others waiting.
    ordered = copies.order_by(F("checked_at").asc(nulls_last=True), "pk")
    return list(ordered.select_related("repository", "segment__timeline__instance")[:MOST])


def _fault_of(
    store: ObjectStore, copy: SegmentCopy, keyring: Keyring | None, *, whole: bool
) -> tuple[str, str]:
    """Return what is wrong with the stored bytes, and in which way; blank where nothing is.

    MooringError: the repository cannot be used, which says nothing of the copy.
    """
    manifest_name = manifest_of(copy.path)
    try:
        for name in (copy.path, manifest_name):
            if not store.exists(name):
                return CopyFault.MISSING, f"{name} is not in the repository"
        blob = read_blob(store, manifest_name)
        if segment_digest(blob)[1] != copy.digest:
            return CopyFault.CHANGED, f"{manifest_name} has changed since it was registered"
        stored = store.size(copy.path) + len(blob)
        if stored != copy.stored_bytes:
            return CopyFault.CHANGED, f"{stored} bytes are stored, expected {copy.stored_bytes}"
        place = place_of_manifest(manifest_name)
        if whole and place is not None and (keyring is not None or not copy.key_id):
            SegmentReader(store, place, keyring, copy.digest).check_whole()
    except KeyUnavailable:
        # What can be seen without its key is as it was.
        return "", ""
    except ArchiveError as exc:
        return CopyFault.CHANGED, str(exc)
    except RepositoryError as exc:
        refuse_unusable(copy.repository, exc)
        return CopyFault.MISSING, str(exc)
    return "", ""


def _note(copy: SegmentCopy, fault: str, detail: str, now: datetime) -> None:
    # One that is being deleted is meant to be gone.
    SegmentCopy.objects.filter(pk=copy.pk, expired_at=None).update(
        fault=fault, fault_detail=detail[:FAULT_LENGTH], checked_at=now
    )
    if fault == copy.fault:
        return
    logger.warning(
        "%s: %s",
        copy,
        detail or "sound again",
        extra={"action": "segment_checked", "copy_id": copy.pk},
    )
    instance = copy.segment.timeline.instance_id
    BinlogArchive.objects.filter(instance=instance).update(judged_at=None)
