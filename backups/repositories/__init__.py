"""The stores of packs and manifests: one module per kind."""

from __future__ import annotations

from backups.repositories.base import Identity, ObjectStore, Upload
from backups.repositories.directory import DirectoryStore
from backups.repositories.objects.store import BucketStore
from backups.repositories.sequential.store import SequentialStore

# The values of a repository's ``kind``.
REPOSITORIES: dict[str, type[DirectoryStore | BucketStore | SequentialStore]] = {
    DirectoryStore.kind: DirectoryStore,
    BucketStore.kind: BucketStore,
    SequentialStore.kind: SequentialStore,
}

__all__ = [
    "REPOSITORIES",
    "BucketStore",
    "DirectoryStore",
    "Identity",
    "ObjectStore",
    "SequentialStore",
    "Upload",
]
