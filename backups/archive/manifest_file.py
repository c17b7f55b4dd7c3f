"""How is the file of a manifest read, without more memory than a backup's manifest may need?"""

from __future__ import annotations

from backups.archive.manifest import MAX_MANIFEST_BYTES
from backups.exceptions import ArchiveError
from backups.repositories.base import ObjectStore
from backups.repositories.layout import manifest_name


def read_manifest(store: ObjectStore, folder: str) -> bytes:
    """Return the bytes of a backup's manifest; ArchiveError if no backup has one of that size."""
    name = manifest_name(folder)
    size = store.size(name)
    if size > MAX_MANIFEST_BYTES:
        raise ArchiveError(f"{name} has {size} bytes, a manifest at most {MAX_MANIFEST_BYTES}")
    return store.read(name, 0, size)
