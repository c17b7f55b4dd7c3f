"""How does a folder become a repository, for a command and for the admin alike?"""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID, uuid4

from backups.access import store_of
from backups.exceptions import BadInput, RepositoryError
from backups.instances.data_folder import refuse_nested_repository
from backups.models import Repository
from backups.repositories.base import Identity
from backups.repositories.disks import device_of
from backups.repositories.layout import FORMAT_VERSION, IDENTITY_NAME


def absolute_path(path: str) -> str:
    """Return ``path`` normalised, or raise BadInput if it is relative."""
    if not Path(path).is_absolute():
        raise BadInput(
            f"{path} is not an absolute path", hint=f"Did you mean {Path(path).absolute()}?"
        )
    return os.path.normpath(path)


def settle(repository: Repository) -> bool:
    """Give an unsaved row the identity at its path, initialising an empty folder.

    Return whether the repository existed before: then it may hold backups already.
    """
    refuse_nested_repository(repository.path)
    store = store_of(repository)
    try:
        adopted = store.exists(IDENTITY_NAME)
        if not adopted:
            store.initialise(Identity(str(uuid4()), FORMAT_VERSION))
        repository.uuid = UUID(store.identity().uuid)
    except (RepositoryError, ValueError) as exc:
        raise BadInput(str(exc), hint=getattr(exc, "hint", "")) from None
    if known := Repository.objects.filter(uuid=repository.uuid).first():
        raise BadInput(
            f"{repository.path} holds the repository already registered as {known.name}",
            hint=f"The registered path is {known.path}.",
        )
    repository.device = device_of(repository.path)
    return adopted
