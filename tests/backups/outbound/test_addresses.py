"""Which addresses may be connected to?"""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from backups.outbound.addresses import (
    AddressRefused,
    is_allowed,
    public_addresses_only,
    refuse_private_host,
)
from tests.alerts.receiver import receiving


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),  # noqa: S104
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:a9fe:a9fe::1", False),
    ],
)
def test_only_public_addresses_may_be_reached(address: str, allowed: bool) -> None:
    assert is_allowed(address) is allowed


def test_a_network_can_be_allowed(settings: Settings) -> None:
    settings.OUTBOUND_NETWORKS = ["10.1.0.0/16", "fd00::/8"]
    assert is_allowed("10.1.2.3")
    assert is_allowed("fd00::1")
    assert is_allowed("::ffff:10.1.2.3")
    assert not is_allowed("10.2.2.3")


def test_any_library_is_watched_and_only_inside() -> None:
    with receiving() as receiver:
        port = int(receiver.url.split(":")[2].split("/")[0])
        socket.create_connection(("127.0.0.1", port)).close()
        with public_addresses_only(), pytest.raises(OSError, match="not a public address"):
            socket.create_connection(("127.0.0.1", port))


def test_a_unix_socket_is_not_the_internet() -> None:
    refused = pytest.raises(AddressRefused)
    with socket.socket(socket.AF_UNIX) as unix, public_addresses_only(), refused:
        unix.connect("/run/nobody")


@pytest.fixture
def inner() -> Iterator[socket.socket]:
    """A UDP socket of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        yield listening


def test_no_datagram_reaches_an_inner_address(inner: socket.socket) -> None:
    address = inner.getsockname()
    refused = pytest.raises(AddressRefused, match="not a public address")
    named = pytest.raises(AddressRefused, match="was not resolved before the connection")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as leaving:
        with public_addresses_only():
            with refused:
                leaving.sendto(b"x", address)
            with refused:
                leaving.sendto(b"x", 0, address)
            with refused:
                leaving.sendmsg([b"x"], [], 0, address)
            with named:
                leaving.sendto(b"x", ("localhost", address[1]))
        with pytest.raises(BlockingIOError):
            inner.recv(1)
        # The same ways do lead there.
        leaving.sendto(b"outside", address)
        assert inner.recv(10) == b"outside"


def test_a_name_is_looked_up_for_libraries_with_sockets_of_their_own(settings: Settings) -> None:
    for host in ("localhost", "127.0.0.1", "169.254.169.254"):
        with pytest.raises(AddressRefused, match="is not a public address"):
            refuse_private_host(host, 443)
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8", "::1/128"]
    refuse_private_host("localhost", 443)


@pytest.fixture
def here(settings: Settings) -> None:
    settings.OUTBOUND_NETWORKS = ["127.0.0.0/8"]


@pytest.mark.usefixtures("here")
def test_a_datagram_may_go_where_a_network_is_allowed(inner: socket.socket) -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as leaving,
        public_addresses_only(),
    ):
        leaving.sendto(b"1", inner.getsockname())
        leaving.connect(inner.getsockname())
        leaving.sendmsg([b"2"])
        assert (inner.recv(10), inner.recv(10)) == (b"1", b"2")


def test_names_are_still_looked_up() -> None:
    with public_addresses_only():
        assert socket.getaddrinfo("localhost", 80)
