"""How is a repository recovered whose objects somebody deleted or overwrote in its bucket?

The registered versions are still there. Each is made the newest again: the marker of a deletion is
removed, or the version is copied above the others where the key may not, and then locked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from backups.access import checked_store, locks_of
from backups.activity import record
from backups.catalog.condition import check_one
from backups.catalog.versions import covered_objects, own_identity, registered_objects
from backups.exceptions import ArchiveError, BadInput, MooringError
from backups.models import BackupCopy, Repository
from backups.models.activity import Verb
from backups.repositories.layout import IDENTITY_NAME
from backups.repositories.objects.locks import BucketLocks
from backups.repositories.objects.versions import recover_version
from backups.states import CopyStatus


@dataclass(frozen=True, slots=True)
class Recovered:
    """The result for the identity, or for one copy."""

    what: str
    objects: int = 0
    error: str = ""


def recover_repository(repository: Repository, now: datetime) -> Iterator[Recovered]:
    """Recover the identity of a repository and then each of its copies, yielding each that was."""
    locks = locks_of(repository)
    if locks is None:
        raise BadInput(
            f"{repository} is in no bucket with object lock",
            hint="Only such a bucket is known to keep the versions of its objects.",
        )
    if _recover_identity(locks, repository):
        yield Recovered(IDENTITY_NAME, 1)
    checked_store(repository)
    copies = BackupCopy.objects.filter(repository=repository, status=CopyStatus.STORED)
    for copy in copies.select_related("backup__instance", "repository").order_by("id"):
        try:
            objects = _recover_copy(locks, copy, now)
        except MooringError as exc:
            yield Recovered(copy.backup.label, error=str(exc))
            continue
        if objects:
            yield Recovered(copy.backup.label, objects)


def _recover_copy(locks: BucketLocks, copy: BackupCopy, now: datetime) -> int:
    covered = covered_objects(locks.connection, copy)
    for each in covered:
        recover_version(locks.connection, each.name, each.versions, each.version.version)
        locks.lock(each.name)
    if covered:
        after = registered_objects(locks.connection, copy)
        copy.recovered_at = max(each.newest.stored_at for each in after)
        copy.save(update_fields=["recovered_at"])
        record(Verb.RECOVERED, copy.backup, details={"objects": len(covered)})
    if covered or copy.fault:
        _check_recovered(copy, now)
    return len(covered)


def _check_recovered(copy: BackupCopy, now: datetime) -> None:
    """Raise ArchiveError where what is there now is not what was registered."""
    check_one(copy, now)
    copy.refresh_from_db(fields=["fault", "fault_detail"])
    if copy.fault:
        raise ArchiveError(
            f"still {copy.fault}: {copy.fault_detail}",
            hint="Restore the copy in another repository, and take a new backup.",
        )


def _recover_identity(locks: BucketLocks, repository: Repository) -> bool:
    """Make the newest identity with the repository's own uuid the newest; whether one had to be."""
    own, versions = own_identity(locks.connection, repository)
    if own == versions[0]:
        return False
    recover_version(locks.connection, IDENTITY_NAME, versions, own.version)
    locks.lock(IDENTITY_NAME)
    return True
