"""In which order are the copies of a backup read? The facts for ``reading_order``, from rows."""

from __future__ import annotations

from collections.abc import Iterable

from backups.catalog.evidence import with_newest_proofs, without_faults
from backups.catalog.reading_order import Nearness, ReadableCopy, reading_order, why_read
from backups.health.usable import usable_copies
from backups.models import BackupCopy, Repository
from backups.models.repository import RepositoryKind
from backups.repositories.mounts import resolve
from backups.states import CopyStatus


def in_reading_order(copies: Iterable[BackupCopy]) -> list[BackupCopy]:
    """Return copies of one backup, the one to read first at the beginning."""
    by_key = {copy.pk: copy for copy in copies}
    return [by_key[each.key] for each in reading_order(_facts_of(by_key.values()))]


def first_to_read(copy: BackupCopy, among: Iterable[BackupCopy]) -> BackupCopy:
    """Return the copy of the same backup that is read first."""
    same = [each for each in among if each.backup_id == copy.backup_id]
    return in_reading_order(same or [copy])[0]


def reason_to_read(copy: BackupCopy) -> str:
    """Return why a stored copy is read and not another one of its backup."""
    stored = BackupCopy.objects.filter(backup=copy.backup, status=CopyStatus.STORED)
    rows = {each.pk: each for each in stored.select_related("repository")} | {copy.pk: copy}
    return why_read(copy.pk, _facts_of(rows.values()))


def nearness_of(repository: Repository) -> Nearness:
    """Return how far away a repository is, by its kind and the kernel's list of mounts."""
    if repository.is_sequential:
        return Nearness.MEDIA
    if repository.is_bucket:
        return Nearness.BUCKET
    if repository.kind == RepositoryKind.SFTP:
        return Nearness.SERVER
    mount = resolve(repository.path).mount
    return Nearness.MOUNTED if mount is not None and mount.is_remote else Nearness.LOCAL


def _facts_of(copies: Iterable[BackupCopy]) -> list[ReadableCopy]:
    rows = list(copies)
    here = BackupCopy.objects.filter(pk__in=[copy.pk for copy in rows])
    usable = usable_copies().filter(pk__in=[copy.pk for copy in rows])
    sound = set(without_faults(usable).values_list("pk", flat=True))
    proofs = {
        pk: "restore-tested" if tested else "verified" if verified else "unproven"
        # The types do not know the columns that are annotated there.
        for pk, verified, tested in with_newest_proofs(here).values_list(  # type: ignore[misc]
            "pk", "newest_verify", "newest_restore_test"
        )
    }
    return [
        ReadableCopy(
            copy.pk,
            copy.repository.name,
            nearness_of(copy.repository),
            proofs.get(copy.pk, "unproven"),
            copy.pk in sound,
        )
        for copy in rows
    ]
