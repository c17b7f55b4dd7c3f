"""The stores of packs and manifests: one module per kind."""

from __future__ import annotations

from backups.repositories.base import Identity, ObjectStore, Upload
from backups.repositories.directory import DirectoryStore
from backups.repositories.objects.providers import CONNECTIONS
from backups.repositories.objects.store import BucketStore
from backups.repositories.sequential.store import SequentialStore
from backups.repositories.sftp.store import SftpStore

# The values of a repository's ``kind``.
REPOSITORIES: dict[str, type[DirectoryStore | BucketStore | SftpStore | SequentialStore]] = {
    DirectoryStore.kind: DirectoryStore,
    **{place.kind: BucketStore for place in CONNECTIONS},
    SftpStore.kind: SftpStore,
    SequentialStore.kind: SequentialStore,
}

__all__ = [
    "REPOSITORIES",
    "BucketStore",
    "DirectoryStore",
    "Identity",
    "ObjectStore",
    "SequentialStore",
    "SftpStore",
    "Upload",
]
