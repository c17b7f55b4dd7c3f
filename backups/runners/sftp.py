"""How is an SFTP session to another host begun, and why did it end?

By the program ``ssh``, with the options of all our connections: known hosts and a key of this host
only, no agent, no password, no question. It ends with this process.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backups.exceptions import MooringError, RunnerError
from backups.runners.local import LocalCommand, spawn
from backups.runners.ssh import SshTarget, hint_for, own_message, ssh_argv

# At this level ssh says which key the host has shown.
LOG_LEVEL = "LogLevel=DEBUG1"
_DEBUG = re.compile(r"debug\d: ")
_HOST_KEY = re.compile(r"debug1: Server host key: (\S+ SHA256:\S+)")
# A line for people around the message that matters, as of a changed key.
_FRAME = re.compile(r"@+$|@ ")
# What stays the same however often it is tried.
_LASTING = re.compile(
    r"permission denied|host key|identification has changed|not known|load key|bad "
    r"|subsystem request failed|too many authentication failures",
    re.IGNORECASE,
)
_CHANGED, _UNKNOWN = "identification has changed", "host key is known"


@dataclass(frozen=True)
class SftpDialer:
    """Begins sessions of one account."""

    target: SshTarget
    # Raises OSError for a host that may not be connected to.
    refuse_host: Callable[[str, int], None] = field(compare=False)

    @property
    def key(self) -> object:
        return self.target

    def dial(self) -> LocalCommand:
        target = self.target
        _refuse_open_key(target.identity_file)
        try:
            self.refuse_host(target.host, target.port)
        except OSError as exc:
            raise RunnerError(
                f"cannot reach {target.host}: {exc}", hint="Check the host name and the network."
            ) from None
        # Of an option that is given twice, the first counts.
        argv = ["ssh", "-o", LOG_LEVEL, "-s", *ssh_argv(target)[1:], "sftp"]
        return spawn(argv, stdin=subprocess.PIPE)

    def failure(self, lines: Sequence[str]) -> tuple[MooringError, bool]:
        """Say why a session ended, and whether another may work in a moment."""
        shown = next((found[1] for line in lines if (found := _HOST_KEY.match(line))), "")
        ours = [line for line in lines if not (_DEBUG.match(line) or _FRAME.match(line))]
        text = "\n".join(line for line in lines if not _DEBUG.match(line))
        host = self.target.host
        if _CHANGED in text.lower():
            cause = f"its host key has changed: it now shows {shown or 'another one'}"
        elif _UNKNOWN in text:
            cause = f"its host key is unknown: it shows {shown or 'a key'}"
        else:
            cause = own_message(ours) or _last(ours) or "the connection was cut"
        error = RunnerError(f"cannot reach {host}: {cause}", hint=_hint(text, self.target))
        return error, not _LASTING.search(text)


def _hint(text: str, target: SshTarget) -> str:
    if "subsystem request failed" in text:
        return f"Enable the subsystem sftp in sshd_config of {target.host}."
    return hint_for(text, target)


def _last(lines: Sequence[str]) -> str:
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _refuse_open_key(path: Path) -> None:
    """Refuse a private key that others can read, or that is not there."""
    try:
        mode = path.stat().st_mode
    except OSError as exc:
        raise RunnerError(
            f"identity file {path} cannot be read: {exc.strerror}",
            hint="Name the private key of the workers' user, or make one with ssh-keygen.",
        ) from None
    if mode & 0o077:
        raise RunnerError(
            f"identity file {path} has mode {mode & 0o7777:04o}: others can read it",
            hint=f"Run: chmod 600 {path}",
        )
