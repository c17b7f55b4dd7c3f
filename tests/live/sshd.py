"""A private sshd on loopback: the other host of the tests."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from backups.runners import SshTarget
from tests.backups.repositories.sftp_line import SFTP_SERVER


@contextlib.contextmanager
def private_sshd(folder: Path) -> Iterator[SshTarget]:
    """Run sshd with keys of its own; yields how to get in."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in ("host_key", "user_key"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True
        )
    port = _free_port()
    (folder / "authorized_keys").write_bytes((folder / "user_key.pub").read_bytes())
    host_key = (folder / "host_key.pub").read_text(encoding="ascii")
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {host_key}", encoding="ascii")
    server = _start(folder, port)
    try:
        _wait_for_port(port)
        yield SshTarget("127.0.0.1", "root", folder / "user_key", known, port)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(10)


def _start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    # sshd wants this folder for the part of it that has no rights.
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    options = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host_key",
        "AuthorizedKeysFile": folder / "authorized_keys",
        "PidFile": folder / "sshd.pid",
        "PermitRootLogin": "prohibit-password",
        "PasswordAuthentication": "no",
        "UsePAM": "no",
        "StrictModes": "no",
        "Subsystem": f"sftp {SFTP_SERVER}",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return subprocess.Popen(
        ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(folder / "sshd.log").open("wb"),
        env={"PATH": os.environ["PATH"]},
    )


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise AssertionError("sshd did not listen within 10 s")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
