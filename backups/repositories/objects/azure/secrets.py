"""Is the secret of a container an account key or a SAS token, and is it still valid?"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from backups.exceptions import RepositoryError
from backups.repositories.objects.credentials import renewal

_HINT = "It is the account key alone, in Base64, or a SAS token as ?sv=…&sig=…."


def credential_of(text: str) -> dict[str, Any]:
    """Return the credential as obstore wants it; it is read again when it has ended."""
    if "sig=" in text:
        return _sas_token(text)
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RepositoryError(
            "the secret of the repository is neither an account key nor a SAS token", hint=_HINT
        ) from None
    return {"access_key": text, "expires_at": renewal()}


def _sas_token(text: str) -> dict[str, Any]:
    pairs = parse_qsl(text.lstrip("?"), keep_blank_values=True)
    ends = _expiry(dict(pairs).get("se", ""))
    if ends is not None and ends <= datetime.now(UTC):
        raise RepositoryError(
            f"the SAS token has expired at {ends:%Y-%m-%d %H:%M}Z",
            hint="Create another, and enter it as the secret key of the repository.",
        )
    return {"sas_token": pairs, "expires_at": min(filter(None, (ends, renewal())))}


def _expiry(text: str) -> datetime | None:
    """Return when a token ends; None if a policy of the container says it."""
    if not text:
        return None
    try:
        ends = datetime.fromisoformat(text)
    except ValueError:
        raise RepositoryError("the SAS token has an expiry that is no date", hint=_HINT) from None
    return ends if ends.tzinfo else ends.replace(tzinfo=UTC)
