"""Where packs are kept."""

from __future__ import annotations

from backups.repositories.base import Identity, ObjectStore, Upload
from backups.repositories.directory import DirectoryStore

# What a repository's ``kind`` may say.
REPOSITORIES: dict[str, type[DirectoryStore]] = {DirectoryStore.kind: DirectoryStore}

__all__ = ["REPOSITORIES", "DirectoryStore", "Identity", "ObjectStore", "Upload"]
