"""A real SFTP server without a network: the program that sshd starts for the subsystem."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from backups.exceptions import MooringError, RunnerError
from backups.repositories.sftp.line import Line
from backups.repositories.sftp.place import SftpPlace
from backups.repositories.sftp.store import SftpStore
from backups.runners.local import LocalCommand, spawn

SFTP_SERVER = "/usr/lib/openssh/sftp-server"


@dataclass
class ServerProgram:
    """Dials a process of the server's program; every dialer has a session of its own."""

    argv: Sequence[str] = (SFTP_SERVER,)
    key: object = field(default_factory=uuid4)
    lines: list[LocalCommand] = field(default_factory=list)

    def dial(self) -> Line:
        self.lines.append(spawn(self.argv, stdin=subprocess.PIPE))
        return self.lines[-1]

    def failure(self, lines: Sequence[str]) -> tuple[MooringError, bool]:
        return RunnerError(lines[-1] if lines else "the connection was cut"), True


def new_sftp_store(folder: Path, uuid: str = "", dialer: ServerProgram | None = None) -> SftpStore:
    place = SftpPlace("tester", "nas.example.org", str(folder))
    return SftpStore(place, dialer or ServerProgram(), uuid)
