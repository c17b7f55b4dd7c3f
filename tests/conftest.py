"""What holds in every test: nobody talks to another machine."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest


class NetworkRefused(RuntimeError):
    """A test tried to leave this machine. Not an OSError: nobody may take it for one."""


def is_local(family: int, address: object) -> bool:
    """Whether a socket address is a unix socket or on the loopback interface."""
    if family == socket.AF_UNIX:
        return True
    if not isinstance(address, tuple) or not isinstance(address[0], str):
        return False
    try:
        return ipaddress.ip_address(address[0]).is_loopback
    except ValueError:
        return address[0] == "localhost"


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Any:
    patch = pytest.MonkeyPatch()
    for name in ("connect", "connect_ex"):
        patch.setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    yield
    patch.undo()


def _guarded(connect: Any) -> Any:
    """Any: what connect returns is its own affair."""

    def guarded(self: socket.socket, address: object) -> Any:
        if not is_local(self.family, address):
            raise NetworkRefused(f"a test wanted to connect to {address!r}")
        return connect(self, address)

    return guarded
