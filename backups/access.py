"""Which runner, which store and which identity belong to a row?

Runners and repositories do not depend on models; only this module knows both.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from backups.archive.identity import CopyIdentity
from backups.exceptions import BadInput, MooringError, Refused, RepositoryError
from backups.models import BackupCopy, Instance, Repository
from backups.models.instance import RunnerKind
from backups.models.object_store import CredentialsFrom
from backups.models.repository import RepositoryKind
from backups.outbound.addresses import refuse_private_host
from backups.repositories.base import ObjectStore
from backups.repositories.directory import DirectoryStore
from backups.repositories.objects.azure.connection import AzureRole
from backups.repositories.objects.credentials import (
    CredentialSource,
    EnvironmentKeys,
    KeysFile,
    RoleKeys,
    StoredKeys,
)
from backups.repositories.objects.google.tokens import GOOGLE_ROLE, AccountTokens
from backups.repositories.objects.providers import Credentials
from backups.repositories.objects.secret_texts import (
    EnvironmentText,
    FileText,
    SecretText,
    StoredText,
)
from backups.repositories.objects.store import BucketStore
from backups.repositories.wrappers import RetryingStore
from backups.runners.base import Runner
from backups.runners.local import LocalRunner
from backups.runners.ssh import SshRunner, SshTarget

logger = logging.getLogger(__name__)

BUCKET_KINDS = (RepositoryKind.S3, RepositoryKind.AZURE, RepositoryKind.GCS)


def runner_of(instance: Instance) -> Runner:
    """Return the runner for commands on the instance's host."""
    if instance.runner == RunnerKind.LOCAL:
        return LocalRunner()
    if instance.runner == RunnerKind.SSH:
        return SshRunner(_ssh_target(instance))
    raise BadInput(f"{instance} has an unknown runner: {instance.runner}")


def store_of(repository: Repository) -> ObjectStore:
    """Return the object store of a repository."""
    if repository.kind == RepositoryKind.DIRECTORY:
        return RetryingStore(DirectoryStore(Path(repository.path), str(repository.uuid)))
    if repository.kind in BUCKET_KINDS:
        return RetryingStore(_bucket_of(repository))
    raise BadInput(f"{repository} is of an unknown kind: {repository.kind}")


def checked_store(repository: Repository) -> ObjectStore:
    """Return the store, or raise Refused if its place holds none or another repository.

    Objects on a disk that is not mounted must not be taken for deleted.
    """
    store = store_of(repository)
    try:
        uuid = store.identity().uuid
    except RepositoryError as exc:
        raise Refused(str(exc), hint=exc.hint) from None
    if uuid != str(repository.uuid):
        raise Refused(
            f"{repository.address} holds another repository, {uuid}",
            hint=f"Mount the disk of {repository} there, or correct its path."
            if repository.is_folder
            else f"Correct bucket, prefix or endpoint of {repository}.",
        )
    return store


class UsableStores:
    """The stores of one pass over many objects; one that fails is left alone until the next pass.

    A store that does not answer would otherwise be waited for with each object.
    """

    def __init__(self) -> None:
        self._stores: dict[int, ObjectStore | None] = {}

    def of(self, repository: Repository) -> ObjectStore | None:
        """Return the checked store of a repository; None if it cannot be used."""
        if repository.pk not in self._stores:
            try:
                self._stores[repository.pk] = checked_store(repository)
            except MooringError:
                # A tick of its own notes that, and an alert says it.
                self._stores[repository.pk] = None
        return self._stores[repository.pk]

    def leave(self, repository: Repository, error: MooringError) -> None:
        """Use a repository no more."""
        self._stores[repository.pk] = None
        logger.warning(
            "%s is not used until the next pass: %s",
            repository,
            error,
            extra={"action": "repository_left", "repository": repository.name},
        )


def refuse_unusable(repository: Repository, error: RepositoryError) -> None:
    """Raise if an error about an object is a fault of its repository, not of the object.

    A bucket that asks to slow down says nothing of its objects; a disk that can read all but one
    file does.
    """
    checked_store(repository)
    if error.transient and not repository.is_folder:
        raise error


def identity_of(copy: BackupCopy) -> CopyIdentity:
    """Return what the manifest of a copy must be of, as registered."""
    return CopyIdentity(
        copy.backup.label,
        copy.backup.instance.uuid,
        backup=copy.backup.uuid,
        encrypted=copy.encrypted,
        digest=copy.manifest_digest,
    )


def stores_of(repositories: Iterable[Repository]) -> list[tuple[Repository, ObjectStore]]:
    """Pair each repository with its store, for the preflight."""
    return [(repository, store_of(repository)) for repository in repositories]


def _bucket_of(repository: Repository) -> BucketStore:
    return BucketStore(
        repository.bucket_place(repository.path),
        _credentials_of(repository),
        str(repository.uuid),
        refuse_private_host,
    )


def _credentials_of(repository: Repository) -> Credentials:
    if repository.kind == RepositoryKind.S3:
        return _key_pair_of(repository)
    role = repository.credentials == CredentialsFrom.ROLE
    if repository.kind == RepositoryKind.GCS:
        return GOOGLE_ROLE if role else AccountTokens(_secret_of(repository))
    return AzureRole(repository.credentials_name) if role else _secret_of(repository)


def _secret_of(repository: Repository) -> SecretText:
    match repository.credentials:
        case CredentialsFrom.ENVIRONMENT:
            return EnvironmentText(repository.credentials_name)
        case CredentialsFrom.FILE:
            return FileText(Path(repository.credentials_name))
    return StoredText(repository.secret_key)


def _key_pair_of(repository: Repository) -> CredentialSource:
    match repository.credentials:
        case CredentialsFrom.ENVIRONMENT:
            return EnvironmentKeys(repository.credentials_name)
        case CredentialsFrom.FILE:
            return KeysFile(Path(repository.credentials_name))
        case CredentialsFrom.ROLE:
            return RoleKeys()
    return StoredKeys(repository.access_key_id, repository.secret_key)


def _ssh_target(instance: Instance) -> SshTarget:
    # Without a file in the row, ssh's default files of the worker's user are used.
    default = Path.home() / ".ssh"
    return SshTarget(
        host=instance.ssh_host,
        user=instance.ssh_user,
        identity_file=Path(instance.ssh_identity_file or default / "id_ed25519"),
        known_hosts=Path(instance.ssh_known_hosts_file or default / "known_hosts"),
        port=instance.ssh_port,
    )
