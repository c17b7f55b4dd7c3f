"""Where does the secret of a repository come from that is one text: a key, a token, a JSON file?

Read when it is used, so that a rotated one needs no change here, and never shown.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from backups.exceptions import MooringError, RepositoryError
from backups.repositories.objects.small_files import read_private

# Of a secret in a file; more is something else.
MOST_BYTES = 64 << 10


class SecretText(Protocol):
    """Where the text comes from."""

    def load(self) -> str:
        """Return it as it is now; RepositoryError if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class StoredText:
    """In Mooring's database; decrypted only when it is used."""

    decrypt: Callable[[], str] = field(repr=False)

    def load(self) -> str:
        try:
            text = self.decrypt().strip()
        except MooringError as exc:
            raise RepositoryError(str(exc), hint=exc.hint) from None
        if not text:
            raise RepositoryError(
                "no secret is stored for the repository",
                hint="Enter the secret key of the repository.",
            )
        return text


@dataclass(frozen=True, slots=True)
class EnvironmentText:
    """A variable of the processes that use the repository."""

    name: str

    def load(self) -> str:
        if text := os.environ.get(self.name, "").strip():
            return text
        raise RepositoryError(
            f"the environment has no {self.name}",
            hint="Set it for every worker and for the site, and restart them.",
        )


@dataclass(frozen=True, slots=True)
class FileText:
    """A file of this host that only its owner can read."""

    path: Path

    def load(self) -> str:
        if text := read_private(self.path, MOST_BYTES).strip():
            return text
        raise RepositoryError(
            f"credentials file {self.path} is empty", hint="Write the secret into it."
        )
