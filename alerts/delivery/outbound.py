"""What did a server respond to an outgoing request?

Requests go to allowed addresses only, and redirects are never followed. httpx is imported where a
request is sent: few processes ever do.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from alerts.exceptions import ChannelBroken, NotDelivered
from backups.outbound.addresses import AddressRefused, public_addresses_only

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 10
# For the whole response, however slowly it arrives.
RESPONSE_SECONDS = 20
# The rest of a longer response is not read.
RESPONSE_BYTES = 16 << 10


@dataclass(frozen=True, slots=True)
class ServerResponse:
    """The response of an HTTP server."""

    status: int
    text: str
    retry_after: timedelta | None = None


def refuse_bad_url(url: str) -> None:
    """Raise ChannelBroken for an invalid URL."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ChannelBroken("the URL must begin with https:// or http:// and name a host")
    if parts.username or parts.password:
        raise ChannelBroken("the URL contains a user or password: put them into a header")


def post(url: str, body: bytes, headers: Mapping[str, str]) -> ServerResponse:
    """Send a POST request. NotDelivered: no response; ChannelBroken: the address is refused."""
    return _request("POST", url, body, headers)


def get(url: str) -> ServerResponse:
    """Send a GET request; errors as for ``post``."""
    return _request("GET", url, b"", {})


def _request(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> ServerResponse:
    import httpx

    refuse_bad_url(url)
    host = urlsplit(url).hostname
    try:
        with public_addresses_only(), _client() as client:
            request = client.build_request(method, url, content=body or None, headers=headers)
            response = client.send(request, stream=True)
            try:
                return ServerResponse(
                    response.status_code, _read_start(response), _retry_after(response)
                )
            finally:
                response.close()
    except httpx.HTTPError as exc:
        if refused := _refusal_in(exc):
            raise ChannelBroken(str(refused)) from None
        raise NotDelivered(f"{host}: {exc or type(exc).__name__}") from None
    except httpx.InvalidURL as exc:
        raise ChannelBroken(f"the URL is invalid: {exc}") from None


def _client() -> httpx.Client:
    import httpx

    # No proxy from the environment: it would connect for us, unchecked.
    return httpx.Client(
        trust_env=False, follow_redirects=False, timeout=httpx.Timeout(CONNECT_SECONDS)
    )


def _read_start(response: httpx.Response) -> str:
    """Return the start of a response, up to the limits of size and time."""
    deadline, content = time.monotonic() + RESPONSE_SECONDS, b""
    for chunk in response.iter_raw():
        content += chunk
        if len(content) >= RESPONSE_BYTES or time.monotonic() > deadline:
            break
    return content[:RESPONSE_BYTES].decode("utf-8", errors="replace")


def _retry_after(response: httpx.Response) -> timedelta | None:
    """Read Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdigit():
        return timedelta(seconds=min(int(text), 86_400))
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(until - datetime.now(UTC), timedelta(0))


def _refusal_in(error: BaseException | None) -> AddressRefused | None:
    while error is not None:
        if isinstance(error, AddressRefused):
            return error
        error = error.__cause__ or error.__context__
    return None
