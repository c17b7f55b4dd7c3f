"""Is an outgoing connection to this address allowed?

People type addresses into forms, and a name can resolve to anything by the time it is used. Only
public addresses and those of ``MOORING_OUTBOUND_NETWORKS`` are allowed. Connections of Python are
checked when the socket connects or sends a datagram, in whatever library; those of other libraries
by looking the name up before.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.conf import settings

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# A datagram needs no connection.
_OUTGOING_EVENTS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_guarded: ContextVar[bool] = ContextVar("guarded", default=False)


class AddressRefused(OSError):
    """The address is not allowed for outgoing connections."""


@contextmanager
def public_addresses_only() -> Iterator[None]:
    """Allow this thread to connect to public and configured addresses only."""
    token = _guarded.set(True)
    try:
        yield
    finally:
        _guarded.reset(token)


def refuse_private_host(host: str, port: int) -> None:
    """Look a name up, and raise AddressRefused if any of its addresses is not allowed.

    For libraries whose sockets are not Python's. OSError: the name is not found.
    """
    for family, _, _, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        _refuse_address(family, address)


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
        family = sender.family if isinstance(sender, socket.socket) else None
        _refuse_address(family, address)


def _refuse_address(family: int | None, address: object) -> None:
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
