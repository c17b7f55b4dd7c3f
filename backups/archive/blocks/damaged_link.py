"""Which backup of a chain is damaged, where several are read to make one?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from backups.archive.reader import BackupReader
from backups.exceptions import ArchiveError, RepositoryError

HINT = (
    "Consolidate the copy in another repository, or take a full backup; a verify lists all damage."
)


class DamagedLink(ArchiveError):
    """Bytes of one backup of a chain are not there, or not what they were."""

    def __init__(self, message: str, *, hint: str = HINT, backup: UUID) -> None:
        super().__init__(message, hint=hint)
        self.backup = backup


@contextmanager
def naming_damaged(reader: BackupReader) -> Iterator[None]:
    """Name the backup in errors raised inside, unless another one of the chain was named there."""
    try:
        yield
    except DamagedLink:
        raise
    except (ArchiveError, RepositoryError) as exc:
        if isinstance(exc, RepositoryError):
            if exc.transient:
                # The repository does not answer: nothing is known of the bytes.
                raise
            # Nor where the repository is not there, which this raises.
            reader.store.identity()
        label = reader.manifest.envelope.label
        raise DamagedLink(f"{label} is damaged: {exc}", backup=reader.backup) from None
