"""Which runner, which store and which identity belong to a row?

Runners and repositories do not depend on models; only this module knows both.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from backups.archive.identity import CopyIdentity
from backups.exceptions import BadInput, MooringError, Refused, RepositoryError
from backups.models import BackupCopy, Instance, Repository
from backups.models.instance import RunnerKind
from backups.models.object_store import CredentialsFrom
from backups.models.repository import RepositoryKind
from backups.outbound.addresses import refuse_private_host
from backups.pieces.media import media_store
from backups.repositories.apart import DoesNotAnswer
from backups.repositories.base import ObjectStore
from backups.repositories.directory import DirectoryStore
from backups.repositories.exported.store import ExportedStore
from backups.repositories.mounts import resolve
from backups.repositories.objects.azure.connection import AzureRole
from backups.repositories.objects.credentials import (
    CredentialSource,
    EnvironmentKeys,
    KeysFile,
    RoleKeys,
    StoredKeys,
)
from backups.repositories.objects.google.tokens import GOOGLE_ROLE, AccountTokens
from backups.repositories.objects.locked_store import LockedBucketStore
from backups.repositories.objects.locks import BucketLocks
from backups.repositories.objects.place import BucketPlace
from backups.repositories.objects.providers import Credentials
from backups.repositories.objects.secret_texts import (
    EnvironmentText,
    FileText,
    SecretText,
    StoredText,
)
from backups.repositories.objects.store import BucketStore
from backups.repositories.sftp.store import SftpStore
from backups.repositories.wrappers import AnsweringStore, RetryingStore, WriteOnlyStore
from backups.runners.base import Runner
from backups.runners.local import LocalRunner
from backups.runners.sftp import SftpDialer
from backups.runners.ssh import SshRunner, SshTarget

logger = logging.getLogger(__name__)

# Of an SFTP server without fsync@openssh.com.
NOT_CONFIRMED = "durability unknown: the server does not say when its disk has a backup"


def runner_of(instance: Instance) -> Runner:
    """Return the runner for commands on the instance's host."""
    if instance.runner == RunnerKind.LOCAL:
        return LocalRunner()
    if instance.runner == RunnerKind.SSH:
        return SshRunner(_ssh_target(instance))
    raise BadInput(f"{instance} has an unknown runner: {instance.runner}")


def store_of(repository: Repository) -> ObjectStore:
    """Return the object store of a repository."""
    if repository.is_sequential:
        # Nothing is tried again: a command that failed in the middle of a tape is not repeated.
        return media_store(repository)
    store = RetryingStore(_bare_store(repository))
    return WriteOnlyStore(store) if repository.write_only else store


def _bare_store(repository: Repository) -> ObjectStore:
    if repository.kind == RepositoryKind.DIRECTORY:
        return _folder_of(repository)
    if repository.kind == RepositoryKind.FILE:
        return _answering(ExportedStore(Path(repository.path)), repository.path)
    if repository.is_bucket:
        return _bucket_of(repository)
    if repository.kind == RepositoryKind.SFTP:
        return _sftp_of(repository)
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
            else f"Correct the address of {repository}.",
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

    def note(self, repository: Repository, store: ObjectStore | None) -> None:
        """Take a store that was checked already; None of one that cannot be used."""
        self._stores[repository.pk] = store

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

    A bucket that asks to slow down, or a mount that hangs, says nothing of its objects; a disk that
    can read all but one file does.
    """
    if isinstance(error, DoesNotAnswer):
        raise error
    store = checked_store(repository)
    if repository.is_sequential:
        # A media manager that does not answer says nothing of a piece.
        store.try_writing()
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


def locks_of(repository: Repository) -> BucketLocks | None:
    """Return the locks and versions of a repository's objects; None if it locks none."""
    if repository.kind != RepositoryKind.S3:
        return None
    store = _bucket_of(repository)
    return store.locks if isinstance(store, LockedBucketStore) else None


def medium_of(repository: Repository) -> str:
    """Return what there is to know of where a repository is; blank is nothing.

    RepositoryError: a server cannot be asked.
    """
    if repository.is_folder:
        mount = resolve(repository.path).mount
        return mount.shown if mount is not None and mount.is_remote else ""
    if repository.kind == RepositoryKind.SFTP and not _sftp_of(repository).confirms_writes():
        return NOT_CONFIRMED
    return ""


def _folder_of(repository: Repository) -> ObjectStore:
    """Return the store of a folder."""
    store = DirectoryStore(Path(repository.path), str(repository.uuid))
    return _answering(store, repository.path)


def _answering(store: ObjectStore, path: str) -> ObjectStore:
    """Have what may hang, on a mount of another host, called by threads that may hang."""
    mount = resolve(path).mount
    if mount is None or not mount.is_remote:
        return store
    return AnsweringStore(store, mount.point)


def _bucket_of(repository: Repository) -> BucketStore:
    place, uuid = repository.bucket_place(repository.path), str(repository.uuid)
    place = replace(place, write_only=repository.write_only)
    lock = repository.object_lock
    if lock is None or not isinstance(place, BucketPlace):
        return BucketStore(place, _credentials_of(repository), uuid, refuse_private_host)
    place, keys = replace(place, checksums=True), _key_pair_of(repository)
    return LockedBucketStore(place, keys, lock, uuid, refuse_private_host)


def _sftp_of(repository: Repository) -> SftpStore:
    place = repository.sftp_place(repository.path)
    default = Path.home() / ".ssh"
    target = SshTarget(
        host=place.host,
        user=place.user,
        identity_file=Path(repository.identity_file or default / "id_ed25519"),
        known_hosts=Path(repository.known_hosts_file or default / "known_hosts"),
        port=place.port,
    )
    return SftpStore(place, SftpDialer(target, refuse_private_host), str(repository.uuid))


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
