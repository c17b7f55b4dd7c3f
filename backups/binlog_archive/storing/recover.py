"""How are pieces of binlogs recovered that somebody deleted or overwrote in their bucket?

As backups are: the registered versions are still there, and become the newest again. The manifest
is known by its digest; the bytes are those that were stored last before the first such manifest.
Whether what is there is that piece, only reading it can tell, and that needs its key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from backups.access import checked_store, locks_of
from backups.activity import record
from backups.archive.keys import Keyring
from backups.binlog_archive.storing.condition import note_piece, segment_fault
from backups.binlogs.segments.manifest import MAX_MANIFEST_BYTES, segment_digest
from backups.binlogs.segments.names import DATA_SUFFIX, manifest_of
from backups.catalog.recover import Recovered
from backups.catalog.versions import VersionGone
from backups.exceptions import ArchiveError, KeyUnavailable, MooringError
from backups.keys.load import known_keys, load_keys
from backups.models import Repository, SegmentCopy
from backups.models.activity import Verb
from backups.repositories.base import ObjectStore
from backups.repositories.objects.locks import BucketLocks
from backups.repositories.objects.versions import (
    StoredVersion,
    list_versions,
    read_version,
    recover_version,
)


@dataclass(frozen=True, slots=True)
class _PieceObject:
    """An object of a piece: the version that was registered, and all, the newest first."""

    name: str
    version: StoredVersion
    versions: Sequence[StoredVersion]


@dataclass(frozen=True, slots=True)
class _FoundPiece:
    """The objects of a piece."""

    objects: Sequence[_PieceObject]
    # False: its bytes were stored after its manifest, so they may be those of somebody else.
    certain: bool


def recover_pieces_of(repository: Repository, now: datetime) -> Iterator[Recovered]:
    """Recover the pieces in a repository whose identity is whole, yielding each that was."""
    locks, store, keyring, pieces = locks_of(repository), checked_store(repository), known_keys(), 0
    if locks is None:
        return
    copies = SegmentCopy.objects.filter(repository=repository, expired_at=None)
    rows = copies.select_related("repository", "segment__timeline__instance").order_by("pk")
    for copy in rows.iterator(500):
        try:
            result = _recover_piece(locks, store, copy, keyring, now)
        except MooringError as exc:
            result = Recovered(copy.path, error=str(exc))
        pieces += bool(result.objects)
        if result.objects or result.error:
            yield result
    if pieces:
        record(Verb.RECOVERED, repository, details={"pieces": pieces})


def _recover_piece(
    locks: BucketLocks,
    store: ObjectStore,
    copy: SegmentCopy,
    keyring: Keyring | None,
    now: datetime,
) -> Recovered:
    found = _registered(locks, copy)
    covered = [each for each in found.objects if each.versions[0] != each.version]
    # What a recovery has copied above the registered version is the same content.
    doubtful = bool(covered) or not found.certain
    fault, detail = segment_fault(store, copy, keyring, whole=doubtful)
    recovers = bool(covered and fault)
    if recovers:
        for each in covered:
            recover_version(locks.connection, each.name, each.versions, each.version.version)
            locks.lock(each.name)
        fault, detail = segment_fault(store, copy, keyring, whole=True)
    if recovers or fault:
        note_piece(copy, fault, detail, now)
    objects = len(covered) if recovers else 0
    if fault:
        error = f"still {fault}: {detail}; restore from the copy in another repository"
        return Recovered(copy.path, objects, error)
    return Recovered(copy.path, objects, _why_unread(copy) if doubtful else "")


def _why_unread(copy: SegmentCopy) -> str:
    """Return why a piece could not be read to its end; blank where it was."""
    try:
        if copy.key_id:
            load_keys().find(copy.key_id)
    except KeyUnavailable as exc:
        return f"whether its bytes are right is unknown without key {copy.key_id}: {exc}"
    return ""


def _registered(locks: BucketLocks, copy: SegmentCopy) -> _FoundPiece:
    found = list_versions(locks.connection, copy.path.removesuffix(DATA_SUFFIX))
    name = manifest_of(copy.path)
    manifests = [each for each in found.get(name, ()) if _is_manifest(locks, copy, name, each)]
    data = [each for each in found.get(copy.path, ()) if not each.marker]
    if not manifests or not data:
        raise VersionGone(
            f"no version of {copy.path} with its manifest is in {copy.repository.address}",
            hint="Restore from the copy in another repository.",
        )
    # A store's times are of whole seconds: within the manifest's own the size decides.
    before = [each for each in data if each.stored_at <= manifests[-1].stored_at]
    sizes = {copy.stored_bytes - manifest.size for manifest in manifests}
    before = [each for each in before if each.size in sizes] or before
    objects = (
        _PieceObject(copy.path, (before or data[-1:])[0], found[copy.path]),
        _PieceObject(name, manifests[0], found[name]),
    )
    return _FoundPiece(objects, certain=bool(before))


def _is_manifest(locks: BucketLocks, copy: SegmentCopy, name: str, version: StoredVersion) -> bool:
    """Whether a version of a manifest is of the piece as registered, under whichever key."""
    if version.marker or version.size > MAX_MANIFEST_BYTES:
        return False
    try:
        blob = read_version(locks.connection, name, version.version, MAX_MANIFEST_BYTES)
        return segment_digest(blob)[1] == copy.digest
    except ArchiveError:
        return False
