"""How does a place become a repository, for a command and for the admin alike?"""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID, uuid4

from backups.access import locks_of, store_of
from backups.catalog.disks import note_medium
from backups.exceptions import BadInput, RepositoryError
from backups.instances.data_folder import refuse_nested_repository
from backups.models import Repository
from backups.models.repository import RepositoryKind
from backups.repositories.apart import call
from backups.repositories.base import Identity
from backups.repositories.disks import device_of
from backups.repositories.layout import FORMAT_VERSION, IDENTITY_NAME
from backups.repositories.mounts import resolve
from backups.repositories.objects.places import is_bucket_address, place_at
from backups.repositories.sequential.media_file import (
    SCHEME,
    is_media_address,
    split_media_address,
)
from backups.repositories.sftp.place import is_sftp_address, parse_address


def place_of(path: str) -> tuple[str, str]:
    """Return the kind of a repository at ``path`` and the normal form, or raise BadInput.

    A folder or an exported file by its absolute path, a bucket as ``s3://bucket/prefix``,
    ``sftp://user@host:port/path``, or ``media:NAME/PREFIX``.
    """
    if is_sftp_address(path):
        return RepositoryKind.SFTP, parse_address(path).address
    if is_media_address(path):
        name, prefix = split_media_address(path)
        return RepositoryKind.MEDIA, f"{SCHEME}{name}/{prefix}"
    if is_bucket_address(path):
        place = place_at(path)
        return RepositoryKind(place.kind), place.address
    path = absolute_path(path)
    return RepositoryKind.FILE if _is_file(path) else RepositoryKind.DIRECTORY, path


def _is_file(path: str) -> bool:
    """Whether an exported file is meant; BadInput where that cannot be seen."""
    mount = resolve(path).mount
    try:
        if mount is not None and mount.is_remote:
            return call(mount.point, Path(path).is_file)
        return Path(path).is_file()
    except OSError as exc:
        raise BadInput(
            f"{path} cannot be examined: {exc.strerror}",
            hint="Name a folder that the user of site and workers can reach.",
        ) from None


def absolute_path(path: str) -> str:
    """Return ``path`` normalised, or raise BadInput if it is relative."""
    if not Path(path).is_absolute():
        raise BadInput(
            f"{path} is not an absolute path", hint=f"Did you mean {Path(path).absolute()}?"
        )
    return os.path.normpath(path)


def settle(repository: Repository) -> bool:
    """Give an unsaved row the identity at its path, initialising an empty folder or bucket.

    Return whether the repository existed before: then it may hold backups already.
    """
    if repository.is_folder:
        refuse_nested_repository(repository.path)
    # Of a row without an identity: what is there gives it one.
    store = store_of(repository)
    try:
        adopted = store.exists(IDENTITY_NAME)
        if not adopted:
            store.initialise(Identity(str(uuid4()), FORMAT_VERSION))
        repository.uuid = UUID(store.identity().uuid)
        check_locks(repository)
    except (RepositoryError, ValueError) as exc:
        raise BadInput(str(exc), hint=getattr(exc, "hint", "")) from None
    if known := Repository.objects.filter(uuid=repository.uuid).first():
        raise BadInput(
            f"{repository.address} holds the repository already registered as {known.name}",
            hint=f"The registered path is {known.address}.",
        )
    note_device(repository)
    note_medium(repository)
    return adopted


def check_locks(repository: Repository) -> None:
    """Raise RepositoryError if objects are to be locked and cannot be."""
    if (locks := locks_of(repository)) is not None:
        locks.check()


def note_device(repository: Repository) -> None:
    """Set the device on the row, which the caller saves; another place has none."""
    repository.device = device_of(repository.path) if repository.is_folder else None
