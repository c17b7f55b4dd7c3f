"""Into which repositories can the pieces of an archive be stored, and why not into the others?"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

from backups.access import checked_store
from backups.archive.keys import Keyring
from backups.exceptions import KeyUnavailable, MooringError
from backups.keys.load import load_keys
from backups.models import BinlogArchive, Repository
from backups.repositories.base import ObjectStore

logger = logging.getLogger(__name__)

# No repository has a name with a space.
SPOOL = "the spool"


@dataclass(slots=True)
class StoredPieces:
    """What one call has done."""

    # Copies written or found.
    stored: int = 0
    # By the repository's name: why it takes nothing; and by ``SPOOL``, what is wrong there.
    faults: dict[str, str] = field(default_factory=dict)
    # Received, but not in every repository.
    backlog_bytes: int = 0


class Targets:
    """The repositories of an archive, as far as they can be used."""

    def __init__(self, archive: BinlogArchive, result: StoredPieces) -> None:
        self.archive = archive
        self.keyring, key_fault = _keys()
        self._result = result
        self.repositories = list(archive.repositories.filter(enabled=True))
        self._stores: dict[int, ObjectStore] = {}
        for repository in self.repositories:
            with_key = self.keyring is not None or not repository.encrypted
            if not with_key:
                result.faults[repository.name] = key_fault
                continue
            try:
                self._stores[repository.pk] = checked_store(repository)
            except MooringError as exc:
                self.fail(repository, exc)

    @property
    def stores(self) -> list[ObjectStore]:
        return [store for _, store in self.usable()]

    def usable(self) -> Iterator[tuple[Repository, ObjectStore]]:
        """Yield the repositories that have not failed yet."""
        for repository in self.repositories:
            if repository.name not in self._result.faults:
                yield repository, self._stores[repository.pk]

    def fail(self, repository: Repository, error: MooringError) -> None:
        """Leave a repository alone until the next call."""
        self._result.faults[repository.name] = str(error)
        logger.warning(
            "binlogs of %s are not stored in %s: %s",
            self.archive.instance,
            repository,
            error,
            extra={"action": "binlogs_not_stored", "repository": repository.name},
        )


def _keys() -> tuple[Keyring | None, str]:
    try:
        return load_keys(), ""
    except KeyUnavailable as exc:
        return None, str(exc)
