"""What ``./mooring up`` refuses before it starts anything."""

from __future__ import annotations

import os
import socket

import pytest

from scripts.console import SetupError
from scripts.up import refuse_taken_port


def test_whoever_has_the_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(SetupError, match=f"process {os.getpid()}") as raised:
            refuse_taken_port({"MOORING_PORT": port})
        assert "MOORING_PORT" in raised.value.hint
    refuse_taken_port({"MOORING_PORT": port})


@pytest.mark.parametrize("address", ["127.0.0.1:many", "256.0.0.1:8000", "nonsense"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(SetupError, match="cannot be served"):
        refuse_taken_port({"MOORING_BIND": address})
