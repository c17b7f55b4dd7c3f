"""May this connection leave, and what did the other side answer?

People type addresses into forms, and a name can point anywhere by the time it is used. So the
address is looked at when the socket connects or sends a datagram, whatever library opens it: only
public ones and those of ``MOORING_OUTBOUND_NETWORKS`` may be reached. Redirects are never followed.
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

from alerts.exceptions import ChannelDead, NotDelivered

if TYPE_CHECKING:
    import httpx

type_of_network = ipaddress.IPv4Network | ipaddress.IPv6Network
type_of_address = ipaddress.IPv4Address | ipaddress.IPv6Address

CONNECT_SECONDS = 10
# For the whole answer, however slowly it trickles in.
ANSWER_SECONDS = 20
# More of an answer nobody reads.
ANSWER_BYTES = 16 << 10
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# A datagram needs no connection.
_LEAVING = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_guarded: ContextVar[bool] = ContextVar("guarded", default=False)


class AddressRefused(OSError):
    """The connection was about to go where it must not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an HTTP server said."""

    status: int
    text: str
    retry_after: timedelta | None = None


@contextmanager
def public_addresses_only() -> Iterator[None]:
    """Within, connections of this thread reach public and allowed addresses only."""
    token = _guarded.set(True)
    try:
        yield
    finally:
        _guarded.reset(token)


def refuse_bad_url(url: str) -> None:
    """Raise ChannelDead where a URL could not be meant."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ChannelDead("the URL has to begin with https:// or http:// and name a host")
    if parts.username or parts.password:
        raise ChannelDead("the URL holds a user or password: put them into a header")


def post(url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """Send a POST request. NotDelivered: no answer came; ChannelDead: the address is refused."""
    return _ask("POST", url, body, headers)


def get(url: str) -> Answer:
    """Send a GET request; errors as for ``post``."""
    return _ask("GET", url, b"", {})


def _ask(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    import httpx

    refuse_bad_url(url)
    host = urlsplit(url).hostname
    try:
        with public_addresses_only(), _client() as client:
            request = client.build_request(method, url, content=body or None, headers=headers)
            answer = client.send(request, stream=True)
            try:
                return Answer(answer.status_code, _beginning(answer), _retry_after(answer))
            finally:
                answer.close()
    except httpx.HTTPError as exc:
        if refused := _refusal_in(exc):
            raise ChannelDead(str(refused)) from None
        raise NotDelivered(f"{host}: {exc or type(exc).__name__}") from None
    except httpx.InvalidURL as exc:
        raise ChannelDead(f"the URL is not one: {exc}") from None


def _client() -> httpx.Client:
    import httpx

    # No proxy from the environment: it would connect in our place, unchecked.
    return httpx.Client(
        trust_env=False, follow_redirects=False, timeout=httpx.Timeout(CONNECT_SECONDS)
    )


def _beginning(answer: httpx.Response) -> str:
    """Return the beginning of an answer's text; whatever comes late is left."""
    deadline, content = time.monotonic() + ANSWER_SECONDS, b""
    for piece in answer.iter_raw():
        content += piece
        if len(content) >= ANSWER_BYTES or time.monotonic() > deadline:
            break
    return content[:ANSWER_BYTES].decode("utf-8", errors="replace")


def _retry_after(answer: httpx.Response) -> timedelta | None:
    """Read Retry-After: seconds, or a date (RFC 9110, 10.2.3)."""
    text = answer.headers.get("retry-after", "").strip()
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
    """Whether a message may be sent to an IP address."""
    ip = _plain(ipaddress.ip_address(address.partition("%")[0]))
    if any(ip in network for network in _allowed_networks()):
        return True
    return ip.is_global and not ip.is_multicast


def _plain(ip: type_of_address) -> type_of_address:
    """Return the IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def _allowed_networks() -> list[type_of_network]:
    return [ipaddress.ip_network(text, strict=False) for text in settings.OUTBOUND_NETWORKS]


def _watch_sockets(event: str, args: tuple[object, ...]) -> None:
    """Python's own audit hook: it sees where every socket of every library is about to go.

    The system's resolver is no part of Python: looking up a name raises none of these events.
    """
    if event not in _LEAVING or not _guarded.get():
        return
    leaving, address = args
    # Without an address it goes where the socket is connected to: that was looked at then.
    if address is not None or event == "socket.connect":
        _refuse_address(leaving, address)


def _refuse_address(leaving: object, address: object) -> None:
    family = leaving.family if isinstance(leaving, socket.socket) else None
    if family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(address, tuple):
        raise AddressRefused("only internet addresses may be reached")
    host = str(address[0])
    try:
        allowed = is_allowed(host)
    except ValueError:
        raise AddressRefused(f"{host} was to be reached without its address being known") from None
    if not allowed:
        raise AddressRefused(
            f"{host} is not a public address: allow its network in MOORING_OUTBOUND_NETWORKS"
        )


sys.addaudithook(_watch_sockets)
