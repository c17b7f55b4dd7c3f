"""How does a command run on another host, and end there with this process?

Only hosts with a known key are connected to: any host that answers on an address could otherwise
receive the password of the backup user. Secrets are sent over the encrypted standard input, never
in an argv. The remote side is in ``remote``.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from backups.exceptions import RunnerError
from backups.runners.base import Completed
from backups.runners.local import LocalCommand, complete, spawn
from backups.runners.remote import build_script

SSH_FAILED = 255
# A shell's exit codes for: not executable, not found.
NEVER_STARTED = {126, 127}

# The beginnings of ssh's own messages, which may be among lines of the command.
SSH_MESSAGES = re.compile(
    r"ssh: |kex_|client_loop|packet_write|read from remote|connection |timeout, server"
    r"|host key|no .*host key|.*permission denied \(|load key|bad |command-line",
    re.IGNORECASE,
)
HINTS = (
    (
        "identification has changed",
        "Find out why the key of {host} has changed before you replace it in {known_hosts}.",
    ),
    (
        "host key verification failed",
        "Check the host's key with its owner, then add it: ssh-keyscan {scan} >> {known_hosts}.",
    ),
    ("host key is known", "Add the host's key: ssh-keyscan {scan} >> {known_hosts}."),
    ("permission denied", "Add the worker's public key to authorized_keys of {user} on that host."),
    ("connection refused", "Check the port, and that sshd runs on {host}."),
    ("could not resolve hostname", "Check the host name."),
    ("timed out", "Check that {host} is up and that no firewall is in between."),
)


@dataclass(frozen=True, slots=True)
class SshTarget:
    """The host, the user, the private key and the known hosts of a connection."""

    host: str
    user: str
    identity_file: Path
    known_hosts: Path
    port: int = 22

    def __post_init__(self) -> None:
        for what, value in (("host", self.host), ("user", self.user)):
            if not value or value.startswith("-") or any(c.isspace() or c == "\0" for c in value):
                raise RunnerError(f"{value!r} is not a usable ssh {what}")


class SshRunner:
    """Runs commands on another host."""

    kind: ClassVar[str] = "ssh"

    def __init__(self, target: SshTarget) -> None:
        self.target = target

    def run(self, argv: Sequence[str], *, timeout_seconds: float = 30) -> Completed:
        with self.start(argv, secret_files={}) as command:
            done = complete(command, f"{argv[0]} on {self.target.host}", timeout_seconds)
        if error := self.failure(argv, done.exit_code, done.stderr):
            raise error
        return done

    @contextlib.contextmanager
    def start(
        self, argv: Sequence[str], *, secret_files: Mapping[str, str]
    ) -> Iterator[LocalCommand]:
        words = [*ssh_argv(self.target), build_script(argv, secret_files)]
        command = spawn(words, stdin=subprocess.PIPE)
        try:
            # ssh may have failed already; its exit code and its messages are read later.
            with contextlib.suppress(BrokenPipeError):
                for text in secret_files.values():
                    _write_all(command, text.encode())
            yield command
        finally:
            command.close()

    def failure(self, argv: Sequence[str], exit_code: int, stderr: str) -> RunnerError | None:
        target = self.target
        lines = stderr.strip().splitlines()
        if exit_code == SSH_FAILED:
            first = own_message(lines) or "the connection was lost"
            return RunnerError(
                f"cannot reach {target.host}: {first}", hint=hint_for(stderr, target)
            )
        if exit_code in NEVER_STARTED:
            why = lines[-1].strip() if lines else f"exit code {exit_code}"
            return RunnerError(
                f"{argv[0]} could not be started on {target.host}: {why}",
                hint=f"Install {argv[0]} on that host, in the PATH of {target.user}.",
            )
        return None


def ssh_argv(target: SshTarget) -> list[str]:
    """Return the ssh command with options against any prompt or forwarding."""
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(target.known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
        "UpdateHostKeys": "no",
        "IdentityFile": str(target.identity_file),
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "ControlPath": "none",
        "ConnectTimeout": "10",
        "ServerAliveInterval": "15",
        "ServerAliveCountMax": "4",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "ClearAllForwardings": "yes",
        "PermitLocalCommand": "no",
        "LogLevel": "ERROR",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={_quoted(value)}")]
    login = ["-T", "-p", str(target.port), "-l", target.user, "--", target.host]
    return ["ssh", *words, *login]


def _quoted(value: str) -> str:
    """Quote a value for ssh's option parser, which splits at spaces."""
    return f'"{value}"' if " " in value else value


def _write_all(command: LocalCommand, content: bytes) -> None:
    view = memoryview(content)
    while view and command.stdin is not None:
        view = view[command.stdin.write(view) or 0 :]


def own_message(lines: Sequence[str]) -> str:
    """Return the first line that ssh itself printed; blank if there is none."""
    return next((line.strip() for line in lines if SSH_MESSAGES.match(line)), "")


def hint_for(stderr: str, target: SshTarget) -> str:
    """Return what to do about the messages of an ssh that failed."""
    scan = shlex.join(["-p", str(target.port), target.host])
    for sign, hint in HINTS:
        if sign in stderr.lower():
            return hint.format(
                scan=scan, known_hosts=target.known_hosts, user=target.user, host=target.host
            )
    return f"Try the connection by hand: ssh {scan}."
