"""The stores of packs and manifests: one module per kind."""

from __future__ import annotations

from backups.repositories.base import Identity, ObjectStore, Upload
from backups.repositories.directory import DirectoryStore

# The values of a repository's ``kind``.
REPOSITORIES: dict[str, type[DirectoryStore]] = {DirectoryStore.kind: DirectoryStore}

__all__ = ["REPOSITORIES", "DirectoryStore", "Identity", "ObjectStore", "Upload"]
