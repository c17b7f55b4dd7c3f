"""A program within walls connects to us, and to nobody else."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from backups.exceptions import EngineError
from backups.programs.inner_listener import ListenerLink
from backups.runners.sandbox import Sandbox, confine

pytestmark = pytest.mark.live

PYTHON = str(Path(sys.executable).resolve())
# Connects to the ports that it reads, and reports how that went.
CONNECT = """
import socket, sys
for port in sys.stdin.readline().split():
    try:
        socket.create_connection(("127.0.0.1", int(port))).close()
        print("connected")
    except OSError as error:
        print(type(error).__name__)
"""


def test_only_the_socket_passed_on_is_reached() -> None:
    with ListenerLink() as link, socket.create_server(("127.0.0.1", 0)) as ours:
        argv = confine([PYTHON, "-I", "-c", CONNECT], Sandbox((), link.readable), link.argv)
        program = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=link.passed_on,
        )
        with link.receive() as listener:
            ports = (listener.getsockname()[1], ours.getsockname()[1])
            said, _ = program.communicate(" ".join(map(str, ports)) + "\n", timeout=60)
            assert said.split() == ["connected", "ConnectionRefusedError"]
            listener.settimeout(10)
            listener.accept()[0].close()


def test_a_program_that_ends_before_is_an_error() -> None:
    with ListenerLink() as link:
        subprocess.run(["true"], check=True, pass_fds=link.passed_on)
        with pytest.raises(EngineError, match="its program ended"):
            link.receive()
