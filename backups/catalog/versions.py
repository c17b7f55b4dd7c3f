"""Which version of each object of a copy was registered, and has somebody put anything above it?

Asked of buckets with object lock, which keep versions: a deletion leaves a marker there, an
overwrite another version, and the registered one stays.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from backups.access import locks_of
from backups.archive.manifest import MAX_MANIFEST_BYTES, manifest_digest
from backups.archive.packs import pack_name
from backups.exceptions import ArchiveError, MooringError, RepositoryError
from backups.models import BackupCopy, Repository
from backups.repositories.identity import IDENTITY_BYTES, parse_identity
from backups.repositories.layout import IDENTITY_NAME, manifest_name
from backups.repositories.objects.connection import BucketConnection
from backups.repositories.objects.versions import StoredVersion, list_versions, read_version
from backups.states import CopyFault

logger = logging.getLogger(__name__)


class VersionGone(RepositoryError):
    """No version of an object is left in its store."""


@dataclass(frozen=True, slots=True)
class RegisteredObject:
    """An object of a copy: the version that was registered, and all that there are."""

    name: str
    version: StoredVersion
    # The newest first.
    versions: Sequence[StoredVersion]

    @property
    def newest(self) -> StoredVersion:
        return self.versions[0]

    @property
    def covered(self) -> bool:
        """Whether another version, or a marker of a deletion, is above the registered one."""
        return self.newest != self.version


def registered_objects(connection: BucketConnection, copy: BackupCopy) -> list[RegisteredObject]:
    """Return the objects of a copy; VersionGone if no version of one is left."""
    found = list_versions(connection, f"{copy.path}/")
    manifest = manifest_name(copy.path)
    packs = [f"{copy.path}/{pack_name(number)}" for number in range(1, copy.pack_count + 1)]
    written = {}
    for name in [*packs, manifest]:
        versions = found.get(name, ())
        stored = [each for each in versions if not each.marker]
        if not stored:
            raise VersionGone(
                f"no version of {name} is in {copy.repository.address}",
                hint="Restore the copy in another repository, and take a new backup.",
            )
        written[name] = versions, stored
    versions, stored = written[manifest]
    registered = _registered(connection, copy, manifest, stored)
    first = _registered(connection, copy, manifest, stored[::-1])
    objects = []
    for name, (versions, stored) in written.items():
        # Of a manifest, rotatekeys writes another version. A pack is written before the first one;
        # what is older still is of an attempt that failed.
        before = [each for each in stored if each.stored_at <= first.stored_at]
        version = registered if name == manifest else (before or stored[-1:])[0]
        objects.append(RegisteredObject(name, version, versions))
    return objects


def own_identity(
    connection: BucketConnection, repository: Repository
) -> tuple[StoredVersion, Sequence[StoredVersion]]:
    """Return the newest identity with the repository's uuid, and all of its versions."""
    versions = list_versions(connection, IDENTITY_NAME).get(IDENTITY_NAME, ())
    for each in versions:
        if not each.marker and _is_own(connection, repository, each):
            return each, versions
    raise RepositoryError(
        f"no version of {IDENTITY_NAME} in {repository.address} is of {repository}",
        hint="Check bucket, prefix and endpoint.",
    )


def _is_own(connection: BucketConnection, repository: Repository, version: StoredVersion) -> bool:
    try:
        content = read_version(connection, IDENTITY_NAME, version.version, IDENTITY_BYTES)
        return parse_identity(content, repository.address).uuid == str(repository.uuid)
    except RepositoryError as exc:
        if exc.transient:
            raise
        return False


def covered_objects(connection: BucketConnection, copy: BackupCopy) -> list[RegisteredObject]:
    """Return the objects above whose registered version is another one, or a deletion.

    What a recovery has copied above it is the same content.
    """
    known = copy.recovered_at
    return [
        each
        for each in registered_objects(connection, copy)
        if each.covered and (each.newest.marker or known is None or each.newest.stored_at > known)
    ]


def explained_fault(copy: BackupCopy, fault: str, detail: str) -> tuple[str, str]:
    """Return what is wrong with a copy, with what its versions say of that.

    A fault found otherwise stays as it is if they cannot be read.
    """
    locks = locks_of(copy.repository)
    if locks is None:
        return fault, detail
    try:
        covered = covered_objects(locks.connection, copy)
    except MooringError as exc:
        logger.warning(
            "versions of %s cannot be read: %s",
            copy,
            exc,
            extra={"action": "versions_not_read", "copy_id": copy.pk},
        )
        return fault, detail
    if not covered:
        return fault, detail
    deleted = [each for each in covered if each.newest.marker]
    return (
        CopyFault.MISSING if deleted else CopyFault.CHANGED,
        _in_words(copy, deleted or covered, "deleted" if deleted else "overwritten"),
    )


def _registered(
    connection: BucketConnection, copy: BackupCopy, name: str, stored: Sequence[StoredVersion]
) -> StoredVersion:
    """Return the first of these versions of a manifest with the registered content."""
    if len(stored) == 1 or not copy.manifest_digest:
        return stored[0]
    for each in stored:
        blob = read_version(connection, name, each.version, MAX_MANIFEST_BYTES)
        try:
            if manifest_digest(blob) == copy.manifest_digest:
                return each
        except ArchiveError:
            continue
    return stored[-1]


def _in_words(copy: BackupCopy, covered: Sequence[RegisteredObject], what: str) -> str:
    first = min(covered, key=lambda each: each.newest.stored_at)
    name = first.name.removeprefix(f"{copy.path}/")
    objects = f"{name} was" if len(covered) == 1 else f"{len(covered)} objects, as {name}, were"
    return (
        f"{objects} {what} in the store on {first.newest.stored_at:%Y-%m-%d %H:%M}Z; the versions "
        f"before are still there: recoverversions {copy.repository}"
    )
