"""Which copy does a label name, and may it be read?"""

from __future__ import annotations

from django.db import transaction

from backups.access import checked_store, identity_of
from backups.archive.reader import BackupReader
from backups.catalog.evidence import without_faults
from backups.catalog.preferred import in_reading_order
from backups.exceptions import ArchiveError, BadInput, Refused
from backups.health.usable import usable_copies
from backups.keys.load import load_keys
from backups.models import Backup, BackupCopy, Job, Repository
from backups.states import CopyStatus
from backups.transitions.wanted_copies import copy_made


def named_copy(label: str, repository: str | None = None) -> BackupCopy:
    """Load the copy to work on, or raise BadInput if the backup or the copy is missing."""
    backup = Backup.objects.filter(label=label).first()
    if backup is None:
        raise BadInput(f"no backup is called {label}", hint="Run listbackups to see the labels.")
    copies = backup.copies.select_related("repository", "backup__instance")
    if repository is not None:
        copies = copies.filter(repository__name=repository)
    copy = copies.exclude(status=CopyStatus.PURGED).order_by("-status", "id").first()
    if copy is None:
        where = f" in {repository}" if repository else ""
        raise BadInput(f"{label} has no copy{where}: it was purged or never stored there")
    return copy


def copy_to_read(label: str, repository: str | None = None) -> BackupCopy:
    """Load the copy to read; without a repository, the first one in the reading order."""
    copy = named_copy(label, repository)
    if repository is not None or copy.status != CopyStatus.STORED:
        return copy
    stored = BackupCopy.objects.filter(backup=copy.backup, status=CopyStatus.STORED)
    return in_reading_order(stored.select_related("repository", "backup__instance"))[0]


def source_for(backup: Backup, target: Repository, repository: str | None = None) -> BackupCopy:
    """Return the copy to make another one of; without a repository, the first one to be read."""
    if repository is not None:
        return named_copy(backup.label, repository)
    usable = usable_copies().filter(backup=backup).exclude(repository=target)
    if copies := in_reading_order(usable.select_related("repository", "backup__instance")):
        return copies[0]
    raise BadInput(f"{backup.label} has no copy that could be read, besides in {target}")


def copy_of(job: Job) -> BackupCopy:
    if job.copy is None:
        raise BadInput(f"{job} names no copy to work on")
    return job.copy


def labels_needing(copy: BackupCopy) -> list[str]:
    """Return the labels of the stored backups in its repository that cannot do without a copy."""
    stored = BackupCopy.objects.filter(
        backup__ancestors__ancestor=copy.backup,
        repository=copy.repository,
        status=CopyStatus.STORED,
    )
    return list(stored.order_by("backup__label").values_list("backup__label", flat=True))


def other_copies(copy: BackupCopy, *, besides: Repository) -> list[BackupCopy]:
    """Return the copies of the same backup elsewhere that nothing is known against."""
    others = without_faults(usable_copies()).filter(backup=copy.backup)
    others = others.exclude(pk=copy.pk).exclude(repository=besides)
    return in_reading_order(others.select_related("repository"))


def register_copy(
    backup: Backup, repository: Repository, folder: str, reader: BackupReader
) -> BackupCopy:
    """Write the row of a copy that was made of another one, and has been read back."""
    manifest = reader.manifest
    copy, _ = BackupCopy.objects.get_or_create(
        backup=backup,
        repository=repository,
        defaults={
            "path": folder,
            "stored_bytes": manifest.contents.stored_bytes,
            "pack_count": len(manifest.contents.packs),
            "key_id": manifest.envelope.key_id,
            "manifest_digest": manifest.digest,
        },
    )
    copy_made(backup, repository)
    return copy


def open_copy(copy: BackupCopy) -> BackupReader:
    """Open a copy for reading, or raise Refused if it is being deleted.

    The row lock serialises this with a purge: it sees our running job, or we its decision.
    """
    with transaction.atomic():
        status = BackupCopy.objects.select_for_update().get(pk=copy.pk).status
    if status != CopyStatus.STORED:
        raise Refused(f"{copy} is {status}: nothing to read")
    return _open(copy)


def open_chain(copy: BackupCopy) -> list[BackupReader]:
    """Open a copy and all that it needs from the same repository, the full backup first.

    Refused or ArchiveError names what is missing. What the copy needs cannot be deleted while it
    is stored, and the copy cannot while a running job reads it.
    """
    last = open_copy(copy)
    blocks = last.manifest.contents.blocks
    needed = blocks.ancestors if blocks is not None else ()
    known = {
        str(ancestor.backup.uuid): ancestor
        for ancestor in BackupCopy.objects.filter(
            repository=copy.repository,
            backup__uuid__in=[ancestor_id.uuid for ancestor_id in needed],
        ).select_related("repository", "backup__instance")
    }
    chain = []
    for ancestor_id in needed:
        ancestor_copy = known.get(ancestor_id.uuid)
        if ancestor_copy is None or ancestor_copy.status != CopyStatus.STORED:
            raise ArchiveError(
                f"{copy} needs {ancestor_id.label}, which is not stored there",
                hint="Restore another backup, or the copy in another repository.",
            )
        chain.append(_open(ancestor_copy))
    return [*chain, last]


def _open(copy: BackupCopy) -> BackupReader:
    store = checked_store(copy.repository)
    keyring = load_keys() if copy.encrypted else None
    return BackupReader(store, copy.path, keyring, identity_of(copy))
