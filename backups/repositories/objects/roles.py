"""Which credentials does the role of this machine, container or pod have?

One object of a process keeps them and renews them some minutes before they end, so that a request
for them that is lost ends no backup.
"""

from __future__ import annotations

import threading
from typing import Any

from backups.exceptions import RepositoryError
from backups.repositories.objects.sessions import call_errors, new_session, role_error

# The providers of botocore that are an identity of this machine, container or pod.
PROVIDERS = frozenset({"assume-role-with-web-identity", "container-role", "iam-role"})


class HostRole:
    """The role, once it was found; used by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Any = None

    def credentials(self) -> Any:
        """Return frozen credentials. Any: botocore has no types."""
        try:
            with self._lock:
                if self._found is None:
                    self._found = _find()
                found = self._found
            return None if found is None else found.get_frozen_credentials()
        except call_errors() as exc:
            raise role_error(exc) from None


def credentials() -> Any:
    """Return the present credentials of this process's role, or raise RepositoryError."""
    found = ROLE.credentials()
    if found is None:
        raise RepositoryError(
            "this host has no instance role",
            hint="Attach a role to the instance, or give the repository other credentials.",
        )
    return found


def _find() -> Any:
    from botocore.credentials import create_credential_resolver

    resolver = create_credential_resolver(new_session())
    for provider in list(resolver.providers):
        if provider.METHOD not in PROVIDERS:
            # Keys of the environment or a file are other sources, and must be chosen.
            resolver.remove(provider.METHOD)
    return resolver.load_credentials()


ROLE = HostRole()
