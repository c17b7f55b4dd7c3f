"""With which credentials are requests to an object store signed, and where do they come from?

Read when they are used, so that a rotated file or environment needs no change here. None of these
values is ever shown: what is printed of them is their source.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from backups.exceptions import MooringError, RepositoryError
from backups.repositories.objects import roles
from backups.repositories.objects.small_files import read_private

PROFILE = "default"
# Of a credentials file; more is something else.
MOST_BYTES = 64 << 10
# Those of a file or role are read again some minutes before this long has passed: a file may be
# replaced, and botocore renews a role's ten minutes before they end.
RENEWAL = timedelta(minutes=12)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An access key; temporary ones have a token, and may have a moment to be read again."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    read_again_at: datetime | None = None


class CredentialSource(Protocol):
    """Where credentials come from."""

    def load(self) -> KeyPair:
        """Return the present ones; RepositoryError if there are none."""
        ...


@dataclass(frozen=True, slots=True)
class StoredKeys:
    """A key pair of Mooring's database; the secret is decrypted only when it is used."""

    access_key_id: str
    decrypt: Callable[[], str] = field(repr=False)

    def load(self) -> KeyPair:
        try:
            secret = self.decrypt()
        except MooringError as exc:
            raise RepositoryError(str(exc), hint=exc.hint) from None
        if not self.access_key_id or not secret:
            raise RepositoryError(
                "no key pair is stored for the repository",
                hint="Enter the access key id and the secret key of the repository.",
            )
        return KeyPair(self.access_key_id, secret)


@dataclass(frozen=True, slots=True)
class EnvironmentKeys:
    """Variables of the processes that use the repository, by their common beginning."""

    prefix: str

    def load(self) -> KeyPair:
        name = f"{self.prefix}_ACCESS_KEY_ID"
        key_id = os.environ.get(name, "")
        secret = os.environ.get(f"{self.prefix}_SECRET_ACCESS_KEY", "")
        if not key_id or not secret:
            raise RepositoryError(
                f"the environment has no {name} with its {self.prefix}_SECRET_ACCESS_KEY",
                hint="Set both for every worker and for the site, and restart them.",
            )
        return KeyPair(key_id, secret, os.environ.get(f"{self.prefix}_SESSION_TOKEN") or None)


@dataclass(frozen=True, slots=True)
class KeysFile:
    """A file as the command line of AWS keeps it; the profile ``default``."""

    path: Path

    def load(self) -> KeyPair:
        return self._parse(read_private(self.path, MOST_BYTES))

    def _parse(self, text: str) -> KeyPair:
        # Without interpolation: a secret may contain a percent sign.
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(text)
            section = parser[PROFILE]
            key_id, secret = section["aws_access_key_id"], section["aws_secret_access_key"]
        except (configparser.Error, KeyError):
            # The parser's own message repeats a line, which may be the secret.
            raise RepositoryError(
                f"credentials file {self.path} has no key pair under [{PROFILE}]",
                hint="It needs the lines aws_access_key_id = … and aws_secret_access_key = ….",
            ) from None
        return KeyPair(key_id, secret, section.get("aws_session_token") or None, renewal())


@dataclass(frozen=True, slots=True)
class RoleKeys:
    """The role of the machine, container or pod that the process runs in."""

    def load(self) -> KeyPair:
        frozen = roles.credentials()
        return KeyPair(frozen.access_key, frozen.secret_key, frozen.token, renewal())


def renewal() -> datetime:
    return datetime.now(UTC) + RENEWAL
