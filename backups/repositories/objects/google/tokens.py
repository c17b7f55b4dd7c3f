"""By which tokens does Google know a service account, or the role of this host?

A token of a service account is signed here, and needs no request to anybody.
"""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any, Protocol

from backups.exceptions import RepositoryError
from backups.repositories.objects.credentials import renewal
from backups.repositories.objects.secret_texts import SecretText

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
KIND = "service_account"
_HINT = "It is the JSON file of a key of a service account, as Google creates it."


class TokenSource(Protocol):
    """Where tokens come from."""

    def token(self) -> dict[str, Any]:
        """Return the present one as obstore wants it; RepositoryError if there is none."""
        ...


class AccountTokens:
    """Of a service account, whose key is one text."""

    def __init__(self, text: SecretText) -> None:
        self._text = text

    def token(self) -> dict[str, Any]:
        from google.auth.exceptions import GoogleAuthError
        from google.oauth2.service_account import Credentials

        account = parse_account(self._text.load())
        try:
            found = Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
                account, scopes=[SCOPE]
            )
            signed = found.with_always_use_jwt_access(True)
            signed.refresh(None)
        except (GoogleAuthError, ValueError, TypeError, KeyError):
            # Its text may repeat the key.
            raise RepositoryError(
                "the key of the service account cannot be used", hint=_HINT
            ) from None
        return {"token": signed.token, "expires_at": min(_aware(signed.expiry), renewal())}


def parse_account(text: str) -> dict[str, str]:
    """Return the fields of a service account's key; any other kind of credentials is refused."""
    try:
        account = json.loads(text)
    except ValueError:
        account = None
    if not isinstance(account, dict) or account.get("type") != KIND:
        # Other kinds name programs or addresses to get a token from.
        raise RepositoryError("the secret is no key of a service account of Google", hint=_HINT)
    return account


class GoogleRole:
    """The service account of this host or pod; one token until it ends, for any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Any = None

    def token(self) -> dict[str, Any]:
        import urllib3
        from google.auth.compute_engine import Credentials
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.urllib3 import Request

        with self._lock:
            found = self._found or Credentials(scopes=[SCOPE])  # type: ignore[no-untyped-call]
            self._found = found
            try:
                if not found.valid:
                    request = Request(urllib3.PoolManager())  # type: ignore[no-untyped-call]
                    found.refresh(request)
            except GoogleAuthError as exc:
                raise RepositoryError(
                    f"the role of this host gave no credentials: {type(exc).__name__}",
                    hint="Check the metadata service, and the service account of the host or pod.",
                    transient=True,
                ) from None
            return {"token": found.token, "expires_at": _aware(found.expiry)}


# One of a process: every repository of this host has the same role.
GOOGLE_ROLE = GoogleRole()


def _aware(expiry: datetime | None) -> datetime:
    """Return when a token ends: the library leaves the zone out."""
    if expiry is None:
        return renewal()
    return expiry if expiry.tzinfo else expiry.replace(tzinfo=UTC)
