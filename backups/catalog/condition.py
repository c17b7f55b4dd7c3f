"""Is each stored copy still there, unchanged, and does a key at hand open it?

Two ticks, so that a green light means recoverable now. One identifies each repository and holds
the list of its objects against the rows. The other reads manifests, a few at a time, for ever:
identity, digest, key, and the sizes of all packs. Neither decrypts a pack; verify does.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from backups.access import checked_store, identity_of, refuse_unusable
from backups.archive.keys import Keyring
from backups.archive.manifest import cipher_of, manifest_digest, read_envelope
from backups.archive.manifest_file import read_manifest
from backups.archive.packs import pack_name
from backups.catalog.disks import note_disks
from backups.catalog.versions import explained_fault
from backups.exceptions import ArchiveError, KeyUnavailable, MooringError, RepositoryError
from backups.health.each_repository import ask_each, look_apart
from backups.keys.load import load_keys
from backups.models import BackupCopy, Instance, InstanceProtection, Repository
from backups.repositories.base import ObjectStore
from backups.repositories.layout import INSTANCES, folder_of_manifest, manifest_name
from backups.states import CopyFault, CopyStatus
from backups.transitions.copies import purge_copy
from backups.transitions.deletions import finish_deletions
from backups.transitions.occurrences import recheck_protection

logger = logging.getLogger(__name__)

# Checked in one tick; and again after this long.
MOST = 50
EVERY = timedelta(days=1)
FAULT_LENGTH = 300


def check_repositories(now: datetime) -> int:
    """Identify every repository and look for its copies; return how many cannot be used."""
    unusable = 0
    present: set[int] = set()
    for repository, found in ask_each(Repository.objects.all(), _list):
        try:
            if isinstance(found, MooringError):
                raise found
            _compare(repository, *found, now)
        except MooringError as exc:
            _note_repository(repository, str(exc), now)
            unusable += 1
            continue
        present.add(repository.pk)
        _note_repository(repository, "", now)
    note_disks(present)
    return unusable


def check_copies(now: datetime) -> int:
    """Check the copies that have waited longest; return how many have a fault."""
    keyring, key_fault = _keys()

    def look(store: ObjectStore, copy: BackupCopy) -> tuple[str, str, str]:
        fault, detail = _fault_of(store, copy)
        opened = copy.key_fault if fault else _key_fault(store, copy, keyring, key_fault)
        return fault, detail, opened

    faults = 0
    for copy, found in look_apart(_waiting_copies(now), look):
        if found is None:
            # That the repository cannot be reached is said of the repository, not of its copies.
            BackupCopy.objects.filter(pk=copy.pk).update(checked_at=now)
            continue
        fault, detail, opened = found
        _note_copy(copy, fault, detail, opened, now)
        faults += bool(fault or opened)
    return faults


def _list(repository: Repository) -> tuple[ObjectStore, list[str]]:
    """Return the identified store and the names of its objects."""
    store = checked_store(repository)
    return store, list(store.list(INSTANCES))


def _keys() -> tuple[Keyring | None, str]:
    try:
        return load_keys(), ""
    except KeyUnavailable as exc:
        return None, str(exc)


def _waiting_copies(now: datetime) -> list[BackupCopy]:
    # A moment in the future was written under a clock that was wrong.
    waiting = Q(checked_at=None) | Q(checked_at__lte=now - EVERY) | Q(checked_at__gt=now)
    copies = BackupCopy.objects.filter(waiting, status=CopyStatus.STORED)
    ordered = copies.order_by(F("checked_at").asc(nulls_first=True), "-id")
    return list(ordered.select_related("repository", "backup__instance")[:MOST])


def check_one(copy: BackupCopy, now: datetime) -> None:
    """Check one copy at once, except its key."""
    fault, detail = _fault_of(checked_store(copy.repository), copy)
    _note_copy(copy, fault, detail, copy.key_fault, now)


def _fault_of(store: ObjectStore, copy: BackupCopy) -> tuple[str, str]:
    """Return what is wrong with a copy; of a bucket with locks, what its versions say of that."""
    fault, detail = explained_fault(copy, *_stored_fault(store, copy))
    if fault == CopyFault.MISSING and copy.repository.write_only:
        detail += "; retention keeps it, so its lifecycle ends too early or somebody deleted it"
    return fault, detail


def _stored_fault(store: ObjectStore, copy: BackupCopy) -> tuple[str, str]:
    """Return what is wrong with the stored bytes, and in which way; blank where nothing is.

    MooringError: the repository cannot be used, which says nothing of the copy.
    """
    name = manifest_name(copy.path)
    try:
        if not store.exists(name):
            return CopyFault.MISSING, f"{name} is not in the repository"
        blob = read_manifest(store, copy.path)
        identity_of(copy).check_unopened(read_envelope(blob), manifest_digest(blob))
        return _pack_fault(store, copy)
    except ArchiveError as exc:
        return CopyFault.CHANGED, str(exc)
    except RepositoryError as exc:
        refuse_unusable(copy.repository, exc)
        return CopyFault.MISSING, str(exc)


def _pack_fault(store: ObjectStore, copy: BackupCopy) -> tuple[str, str]:
    names = [f"{copy.path}/{pack_name(number)}" for number in range(1, copy.pack_count + 1)]
    missing: list[str] = []
    stored = 0
    for name in names:
        try:
            # One request for each; what is missing costs a second one.
            stored += store.size(name)
        except RepositoryError:
            if store.exists(name):
                raise
            missing.append(name)
    if missing:
        return CopyFault.MISSING, f"{len(missing)} of {len(names)} packs are missing: {missing[0]}"
    if stored != copy.stored_bytes:
        return CopyFault.CHANGED, f"its packs have {stored} bytes, expected {copy.stored_bytes}"
    return "", ""


def _key_fault(
    store: ObjectStore, copy: BackupCopy, keyring: Keyring | None, key_fault: str
) -> str:
    if not copy.encrypted:
        return ""
    if keyring is None:
        return key_fault
    try:
        cipher_of(read_envelope(read_manifest(store, copy.path)), keyring)
    except RepositoryError:
        raise
    except MooringError as exc:
        return str(exc)
    return ""


def _compare(
    repository: Repository, store: ObjectStore, objects: Iterable[str], now: datetime
) -> None:
    """Hold the list of a repository's objects against the rows of its copies."""
    packs: Counter[str] = Counter()
    manifests: set[str] = set()
    for name in objects:
        if folder := folder_of_manifest(name):
            manifests.add(folder)
        else:
            packs[name.rpartition("/packs/")[0]] += 1
    copies = BackupCopy.objects.filter(repository=repository, status=CopyStatus.STORED)
    gone, back = [], []
    for copy in copies.select_related("backup__instance").iterator(chunk_size=2000):
        there = copy.path in manifests and packs[copy.path] >= copy.pack_count
        if there and copy.fault == CopyFault.MISSING:
            back.append(copy)
        elif not there and copy.fault != CopyFault.MISSING:
            gone.append(copy)
    if repository.write_only:
        _note_vanished(repository, store, {*manifests, *packs}, now)
    # One by one: a copy may have been finished, or purged, after the list was made.
    for copy in [*gone, *back]:
        fault, detail = _fault_of(store, copy)
        _note_copy(copy, fault, detail, copy.key_fault, now)


def _note_vanished(
    repository: Repository, store: ObjectStore, folders: Collection[str], now: datetime
) -> None:
    """Record that expired copies are gone: whoever deletes in a write-only repository has.

    Nothing else of what vanishes is expected: a stored copy that does has a fault.
    """
    expired = BackupCopy.objects.filter(repository=repository, status=CopyStatus.EXPIRED)
    for copy in expired.select_related("backup").iterator(chunk_size=2000):
        # Looked for again, as the list may break off; uploads that go on are none of a backup.
        if copy.path in folders or store.holds(copy.path):
            continue
        with transaction.atomic():
            gone = purge_copy(copy, now=now)
            finish_deletions(copy, now)
        if gone:
            logger.info(
                "%s was deleted by its store, after it had expired",
                copy,
                extra={"action": "copy_vanished", "copy_id": copy.pk},
            )


def _note_copy(copy: BackupCopy, fault: str, detail: str, key_fault: str, now: datetime) -> None:
    changed = (fault, bool(key_fault)) != (copy.fault, bool(copy.key_fault))
    # One that has been purged in the meantime is meant to be gone.
    BackupCopy.objects.filter(pk=copy.pk, status=CopyStatus.STORED).update(
        fault=fault,
        fault_detail=detail[:FAULT_LENGTH],
        key_fault=key_fault[:FAULT_LENGTH],
        checked_at=now,
    )
    if changed:
        text = detail or key_fault or "sound again"
        logger.warning("%s: %s", copy, text, extra={"action": "copy_checked", "copy_id": copy.pk})
        recheck_protection(copy.backup.instance_id, now)


def _note_repository(repository: Repository, fault: str, now: datetime) -> None:
    rows = Repository.objects.filter(pk=repository.pk)
    if bool(fault) == bool(repository.fault):
        rows.update(fault=fault[:FAULT_LENGTH])
        return
    rows.update(fault=fault[:FAULT_LENGTH], fault_since=now if fault else None)
    logger.warning(
        "repository %s %s",
        repository,
        f"cannot be used: {fault}" if fault else "can be used again",
        extra={"action": "repository_checked", "repository": repository.name},
    )
    owners = Instance.objects.filter(backups__copies__repository=repository)
    InstanceProtection.objects.filter(instance__in=owners).update(next_check_at=now)
