"""Which backup of a chain is damaged, where several are read to make one?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError, RepositoryError

DAMAGED_HINT = (
    "Consolidate the copy in another repository, or take a full backup; a verify lists all damage."
)


@contextmanager
def naming_damaged(reader: BackupReader) -> Iterator[None]:
    """Name the backup in errors raised inside, unless another one of the chain was named there."""
    try:
        yield
    except (ArchiveError, RepositoryError) as exc:
        if exc.hint == DAMAGED_HINT:
            raise
        label = reader.manifest.envelope.label
        raise type(exc)(f"{label} is damaged: {exc}", hint=DAMAGED_HINT) from None
