"""Which store belongs to the row of a repository on sequential media?"""

from __future__ import annotations

from functools import partial

from django.conf import settings

from backups.models import Repository
from backups.pieces.rows import RowCatalog
from backups.repositories.sequential.catalog import MemoryCatalog
from backups.repositories.sequential.media_file import load_medium, split_media_address
from backups.repositories.sequential.store import SequentialStore


def media_store(repository: Repository) -> SequentialStore:
    """Return the store. Whether this host knows the medium shows when it is used."""
    name, prefix = split_media_address(repository.path)
    known = repository.pk is not None
    return SequentialStore(
        partial(load_medium, settings.MEDIA_FILE, name),
        prefix,
        RowCatalog(repository) if known else MemoryCatalog(),
        repository.path,
        # Of a row that is not saved yet, what is there gives it one.
        str(repository.uuid) if known else "",
    )
