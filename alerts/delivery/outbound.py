"""Is this outgoing connection allowed, and what did the server respond?

People type addresses into forms, and a name can resolve to anything by the time it is used. So the
address is checked when the socket connects or sends a datagram, in whatever library: only public
addresses and those of ``MOORING_OUTBOUND_NETWORKS`` are allowed. Redirects are never followed.
httpx is imported where a request is sent: few processes ever do.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings

from alerts.exceptions import ChannelBroken, NotDelivered

if TYPE_CHECKING:
    import httpx

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

CONNECT_SECONDS = 10
# For the whole response, however slowly it arrives.
RESPONSE_SECONDS = 20
# The rest of a longer response is not read.
RESPONSE_BYTES = 16 << 10
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# A datagram needs no connection.
_OUTGOING_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_guarded: ContextVar[bool] = ContextVar("guarded", default=False)


class AddressRefused(OSError):
    """The address is not allowed for outgoing connections."""


@dataclass(frozen=True, slots=True)
class ServerResponse:
    """The response of an HTTP server."""

    status: int
    text: str
    retry_after: timedelta | None = None


@contextmanager
def public_addresses_only() -> Iterator[None]:
    """Allow this thread to connect to public and configured addresses only."""
    token = _guarded.set(True)
    try:
        yield
    finally:
        _guarded.reset(token)


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


def is_allowed(address: str) -> bool:
    """Whether an IP address is allowed for outgoing connections."""
    ip = _unwrap(ipaddress.ip_address(address.partition("%")[0]))
    if any(ip in network for network in _allowed_networks()):
        return True
    return ip.is_global and not ip.is_multicast


def _unwrap(ip: IPAddress) -> IPAddress:
    """Return the IPv4 address that an IPv6 address embeds, if it does."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def _allowed_networks() -> list[IPNetwork]:
    return [ipaddress.ip_network(text, strict=False) for text in settings.OUTBOUND_NETWORKS]


def _watch_sockets(event: str, args: tuple[object, ...]) -> None:
    """Check, as an audit hook of Python, the target of every socket of every library.

    Name resolution by the system raises none of these events.
    """
    if event not in _OUTGOING_EVENTS or not _guarded.get():
        return
    sender, address = args
    # Without an address the socket is connected: it was checked at that time.
    if address is not None or event == "socket.connect":
        _refuse_address(sender, address)


def _refuse_address(sender: object, address: object) -> None:
    family = sender.family if isinstance(sender, socket.socket) else None
    if family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
        raise AddressRefused("only internet addresses are allowed")
    host = str(address[0])
    try:
        allowed = is_allowed(host)
    except ValueError:
        raise AddressRefused(f"{host} was not resolved before the connection") from None
    if not allowed:
        raise AddressRefused(
            f"{host} is not a public address: allow its network in MOORING_OUTBOUND_NETWORKS"
        )


sys.addaudithook(_watch_sockets)
