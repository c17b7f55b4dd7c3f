"""How does a command reach another host, and end there when we do?

Only hosts whose key is already known are spoken to: whoever can answer on an address could
otherwise receive the password of the backup user. Secrets travel over the encrypted
standard input, never in an argv. What happens on the far side is in ``remote``.
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

# How lines begin that ssh itself says; a command's own may stand around them.
OWN_WORDS = re.compile(
    r"ssh: |kex_|client_loop|packet_write|read from remote|connection |timeout, server"
    r"|host key|no .*host key|.*permission denied \(|load key|bad |command-line",
    re.IGNORECASE,
)
HINTS = (
    (
        "identification has changed",
        "{host} has another key than before: find out why before you replace it in {known_hosts}.",
    ),
    (
        "host key verification failed",
        "Check the host's key with its owner, then add it: ssh-keyscan {scan} >> {known_hosts}.",
    ),
    ("host key is known", "Add the host's key: ssh-keyscan {scan} >> {known_hosts}."),
    ("permission denied", "Put the worker's public key into authorized_keys of {user} there."),
    ("connection refused", "Check the port, and that sshd runs on {host}."),
    ("could not resolve hostname", "Check the name of the host."),
    ("timed out", "Check that {host} is up and that no firewall is in between."),
)


@dataclass(frozen=True, slots=True)
class SshTarget:
    """Where to, as whom, with which key, knowing which hosts."""

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
            # ssh may have failed already; its exit code and its words are still to be read.
            with contextlib.suppress(BrokenPipeError):
                for text in secret_files.values():
                    _write_all(command, text.encode())
            yield command
        finally:
            command.close()

    def failure(self, argv: Sequence[str], exit_code: int, stderr: str) -> RunnerError | None:
        target = self.target
        said = stderr.strip().splitlines()
        if exit_code == SSH_FAILED:
            own = (line.strip() for line in said if OWN_WORDS.match(line))
            first = next(own, "the connection was lost")
            return RunnerError(f"{target.host} not reached: {first}", hint=_hint(stderr, target))
        if exit_code in NEVER_STARTED:
            why = said[-1].strip() if said else f"exit code {exit_code}"
            return RunnerError(
                f"{argv[0]} could not be started on {target.host}: {why}",
                hint=f"Install {argv[0]} there, where the PATH of {target.user} finds it.",
            )
        return None


def ssh_argv(target: SshTarget) -> list[str]:
    """Return ssh with everything that makes it ask nobody and forward nothing."""
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
    """Quote a value for ssh's own parser of options, which splits at spaces."""
    return f'"{value}"' if " " in value else value


def _write_all(command: LocalCommand, content: bytes) -> None:
    view = memoryview(content)
    while view and command.stdin is not None:
        view = view[command.stdin.write(view) or 0 :]


def _hint(stderr: str, target: SshTarget) -> str:
    scan = shlex.join(["-p", str(target.port), target.host])
    for sign, hint in HINTS:
        if sign in stderr.lower():
            return hint.format(
                scan=scan, known_hosts=target.known_hosts, user=target.user, host=target.host
            )
    return f"Try it by hand: ssh {scan}."
